/** The few pictures there are, drawn here; each stands beside its word. */

const PATHS = {
  now: "M3 12h4l3-8 4 16 3-8h4",
  act: "M12 4v16M4 12h16",
  events: "M4 6h16v14H4zM4 10h16M8 3v4M16 3v4",
  alerts: "M12 4 2.5 20h19zM12 10v5M12 17.5v.5",
  more: "M4 7h16M4 12h16M4 17h16",
  reports: "M6 3h9l4 4v14H6zM9 12h7M9 16h7",
  counters: "M5 20V10M12 20V4M19 20v-7",
  map: "M9 4 3 6v14l6-2 6 2 6-2V4l-6 2zM9 4v14M15 6v14",
  fleet: "M12 3a2 2 0 1 0 0 4 2 2 0 0 0 0-4zM5 17a2 2 0 1 0 0 4 2 2 0 0 0 0-4zM19 17a2 2 0 1 0 0 4 2 2 0 0 0 0-4zM12 7v5M12 12l-6 5M12 12l6 5",
  health: "M3 12h5l2-4 3 8 2-4h6",
  settings: "M4 7h10M18 7h2M4 17h2M10 17h10M14 4v6M6 14v6",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l5 5",
  camera: "M4 8h4l2-3h4l2 3h4v11H4zM12 10a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7z",
  picture: "M3 5h18v14H3zM3 16l5-5 4 4 3-3 6 6M15.5 8v.5",
  pin: "M12 21c5-6 7-9 7-12a7 7 0 1 0-14 0c0 3 2 6 7 12zM12 6.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z",
  note: "M5 4h14v12l-4 4H5zM9 9h6M9 13h4",
  clock: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 8v4.5l3 2",
  play: "M8 5v14l11-7z",
  stop: "M7 7h10v10H7z",
  undo: "M9 6 4 11l5 5M4 11h10a6 6 0 0 1 6 6v1",
  close: "M6 6l12 12M18 6 6 18",
  check: "M4 12.5 9.5 18 20 7",
  wifi: "M3 9a13 13 0 0 1 18 0M6 13a8.5 8.5 0 0 1 12 0M9.5 16.5a4 4 0 0 1 5 0",
  sleep: "M19 14a8 8 0 0 1-9-10 8 8 0 1 0 9 10z",
  battery: "M3 8h16v8H3zM21 11v2",
  fuel: "M5 21V4h9v17M5 11h9M14 9l4 3v6a1.5 1.5 0 0 0 3 0V9l-3-3",
  up: "M12 20V5M6 11l6-6 6 6",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
