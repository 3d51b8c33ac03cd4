import type { Config } from "@neuropilot/config";
import { type Control, isPaused } from "@neuropilot/core";
import { operatorSaid } from "@neuropilot/events";
import type { Listener, Runner } from "@neuropilot/local";
import type { Story } from "./story.ts";
import { exact, type Terminal } from "./terminal.ts";

/** Tells of pauses, which belong to no incident: those that hold at the start, and each that begins or ends. */
export interface OperatorWords {
  readonly listener: Listener;
  tellWhatHolds(runner: Runner): Promise<void>;
}

export function createOperatorWords(terminal: Terminal, story: Story, config: Config): OperatorWords {
  /** By scope, when the pause that was told last began; undefined where none holds. */
  const told = new Map<string, number | undefined>();

  function tell(scope: string, control: Control): void {
    const pause = isPaused(control, terminal.now()) ? control.paused : undefined;
    if (told.get(scope) === pause?.at) return;
    told.set(scope, pause?.at);
    const what = scope === "global" ? "every target" : scope;
    if (pause === undefined) story.tell("operator", `healing goes on for ${what}`, "good");
    else {
      const until = pause.until === undefined ? "until `neuropilot resume`" : `until ${exact(pause.until)}`;
      story.tell("operator", `healing is paused for ${what} by ${pause.by}, ${until}: ${pause.reason}`, "warn");
    }
  }

  return {
    listener: {
      name: "terminal/operator",
      pattern: { ...operatorSaid.pattern },
      async hear(event, { state }) {
        const parsed = operatorSaid.parse(event);
        if (!parsed.ok || (parsed.detail.word !== "pause" && parsed.detail.word !== "resume")) return;
        // One word about every target comes as an event for each: the control item says which it was.
        for (const scope of ["global", parsed.detail.target]) tell(scope, await state.readControl(scope));
      },
    },
    async tellWhatHolds({ state }) {
      for (const scope of ["global", ...config.targets.map((target) => target.id)])
        tell(scope, await state.readControl(scope));
    },
  };
}
