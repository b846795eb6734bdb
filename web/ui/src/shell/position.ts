/** Where this device is; only secure origins are told. */

export interface Position {
  lat: number;
  lon: number;
  accuracy_m: number;
}

export const mayLocate = (): boolean => window.isSecureContext && "geolocation" in navigator;

/** Ask the browser. Raises with its words. */
export function position(): Promise<Position> {
  return new Promise((resolve, reject) => {
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => resolve({ lat: coords.latitude, lon: coords.longitude, accuracy_m: Math.round(coords.accuracy) }),
      (error) => reject(new Error(error.message)),
      { enableHighAccuracy: true, timeout: 20_000, maximumAge: 30_000 },
    );
  });
}
