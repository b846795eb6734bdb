/** What a person chooses on this device. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Icon } from "../parts/icons";
import { node } from "../shell/live";
import { THEMES, apiKey, language, operator, temperature, theme } from "../shell/settings";
import { tell } from "../shell/undo";
import { installable, installed, isIos, offline } from "../shell/worker";
import { LANGUAGES, t, type Key } from "../texts";

export default function Settings() {
  return (
    <div class="settings">
      <h1>{t("settings.title")}</h1>
      <section class="panel">
        <h2>{t("settings.theme")}</h2>
        <div class="segments wide" role="group" aria-label={t("settings.theme")}>
          {THEMES.map((one) => (
            <button type="button" key={one} aria-pressed={theme.value === one} onClick={() => (theme.value = one)}>
              {t(`settings.theme.${one}` as Key)}
            </button>
          ))}
        </div>
        <p class="muted">{t("settings.theme_hint")}</p>
      </section>
      <section class="panel field">
        <label for="operator">{t("settings.operator")}</label>
        <input id="operator" type="text" maxLength={80} autocomplete="name" value={operator} onInput={(event) => (operator.value = event.currentTarget.value)} />
        <p class="muted">{t("settings.operator_hint")}</p>
      </section>
      <ApiKey />
      <section class="panel two">
        <div class="field">
          <label for="language">{t("settings.language")}</label>
          <select id="language" value={language} onChange={(event) => (language.value = event.currentTarget.value)}>
            {Object.entries(LANGUAGES).map(([code, { name }]) => (
              <option key={code} value={code}>
                {name}
              </option>
            ))}
          </select>
        </div>
        <div class="field">
          <label for="temperature">{t("settings.units")}</label>
          <select id="temperature" value={temperature} onChange={(event) => (temperature.value = event.currentTarget.value)}>
            <option value="c">{t("settings.celsius")}</option>
            <option value="f">{t("settings.fahrenheit")}</option>
          </select>
        </div>
      </section>
      <Install />
      <section class="panel">
        <h2>{t("settings.about")}</h2>
        <dl class="plain">
          <div>
            <dt>{t("settings.node")}</dt>
            <dd>{node.value?.id ?? "–"}</dd>
          </div>
          <div>
            <dt>{t("settings.version")}</dt>
            <dd>{node.value?.version ?? "–"}</dd>
          </div>
        </dl>
        <p class="muted">{t("settings.device_time", { zone: Intl.DateTimeFormat().resolvedOptions().timeZone })}</p>
        <p>
          <a href="/api/docs">{t("settings.api_docs")}</a>
        </p>
      </section>
    </div>
  );
}

function ApiKey() {
  const typed = useSignal(apiKey.value);
  return (
    <form
      class="panel field"
      onSubmit={(event) => {
        event.preventDefault();
        apiKey.value = typed.value.trim();
        tell(t("settings.saved"));
      }}
    >
      <label for="key">{t("settings.key")}</label>
      <div class="row">
        <input id="key" class="grow" type="password" autocomplete="off" value={typed} onInput={(event) => (typed.value = event.currentTarget.value)} />
        <button type="submit" class="button">
          {t("settings.save")}
        </button>
      </div>
      <p class="muted">{t("settings.key_hint")}</p>
    </form>
  );
}

function Install() {
  const persisted = useSignal<boolean | null>(null);
  useEffect(() => {
    void navigator.storage?.persisted?.().then((yes) => (persisted.value = yes));
  }, []);
  const persist = async (): Promise<void> => {
    persisted.value = (await navigator.storage?.persist?.()) ?? false;
  };
  const state = offline.value;
  return (
    <section class="panel">
      <h2>{t("settings.install")}</h2>
      <p class={state === "no" ? "notice warn" : ""}>
        <Icon name={state === "yes" ? "check" : "alerts"} /> {t(`settings.secure_${state}`)}
      </p>
      {installed() ? <p class="muted">{t("settings.installed")}</p> : isIos() && <p class="notice">{t("settings.ios")}</p>}
      {persisted.value !== null && <p class="muted">{t(persisted.value ? "settings.persisted" : "settings.not_persisted")}</p>}
      <div class="row">
        {installable.value && (
          <button type="button" class="button primary" onClick={() => void installable.value?.prompt()}>
            {t("settings.install_now")}
          </button>
        )}
        {persisted.value === false && (
          <button type="button" class="button" onClick={() => void persist()}>
            {t("settings.persist")}
          </button>
        )}
      </div>
    </section>
  );
}
