// What happens to devices while their fleet learns: one is killed in the midst of its training, and another is cut off for
// some rounds. The run goes on all the same.

import type { LearningDevice, LearningFleet } from './open-fleet.ts';
import type { RunView } from './run-view.ts';

const runTimeoutMs = 10 * 60_000;
const lookEveryMs = 100;
/** So many rounds are done when it happens. */
const killAfter = 1;
const cutAfter = 2;
const healAfter = (rounds: number): number => Math.max(cutAfter + 1, Math.ceil(rounds * 0.6));
/** Or then at the latest: on a machine that is busy the others alone may be too few in time. */
const awayMsMax = 60_000;
const over = ['completed', 'failed', 'stopped'];

/** Until the run has a candidate, or is over. Returns what happened to whom. */
export async function liveThrough(
  { devices }: Pick<LearningFleet, 'devices'>,
  look: () => Promise<RunView>,
  onEvent: (text: string) => void,
): Promise<{ view: RunView; fates: ReadonlyMap<string, string> }> {
  const fates = new Map<string, string>();
  const victim = devices[1] as LearningDevice;
  const absent = devices.at(-1) as LearningDevice;
  const untilMs = Date.now() + runTimeoutMs;
  let said = '';
  let cutMs = Number.POSITIVE_INFINITY;
  for (;;) {
    const view = await look();
    const { phase, round, rounds } = view;
    const text = textOf(view);
    if (text !== said) onEvent(text);
    said = text;
    if (round === killAfter && !fates.has(victim.name) && (await isTraining(victim))) {
      await victim.kill();
      fates.set(victim.name, `killed in round ${round + 1}`);
      onEvent(`${victim.name} is killed while it trains, and started again`);
      await victim.start();
    }
    if (round === cutAfter && !fates.has(absent.name)) {
      absent.link.set('cut');
      cutMs = Date.now();
      fates.set(absent.name, `offline from round ${round + 1}`);
      onEvent(`${absent.name} is cut off`);
    }
    const isBack = round >= healAfter(rounds) || Date.now() > cutMs + awayMsMax;
    if (isBack && isAway(fates.get(absent.name))) {
      absent.link.set('pass');
      const span = round > cutAfter + 1 ? `rounds ${cutAfter + 1} to ${round}` : `round ${round}`;
      fates.set(absent.name, `offline in ${span}`);
      onEvent(`the link of ${absent.name} is back`);
    }
    if (view.candidate !== undefined || over.includes(phase.kind)) return { view, fates };
    if (Date.now() > untilMs)
      throw new Error(`the run is ${phase.kind}: ${view.reasons.join('; ')}`);
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
}

/** Until it has begun to roll its candidate out; returns the rollout's id. */
export async function untilReleased(look: () => Promise<RunView>): Promise<string> {
  const untilMs = Date.now() + runTimeoutMs;
  for (;;) {
    const { candidate, phase, reasons } = await look();
    if (candidate?.rollout !== undefined) return candidate.rollout;
    if (over.includes(phase.kind) || Date.now() > untilMs)
      throw new Error(`the run is ${phase.kind}, with nothing rolled out: ${reasons.join('; ')}`);
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
}

function textOf({ round, rounds, latest }: RunView): string {
  const done = latest.at(-1);
  if (done === undefined) return 'the run begins';
  const { used, metrics } = done;
  return `round ${round} of ${rounds}: ${used} updates, loss ${metrics['loss']?.toFixed(3)}`;
}

const isAway = (fate: string | undefined): boolean => fate?.startsWith('offline from') === true;

async function isTraining(device: LearningDevice): Promise<boolean> {
  const response = await fetch(`${device.agent().httpUrl}/v1/learn`);
  const { doing } = (await response.json()) as { doing: { kind: string } };
  return doing.kind === 'running';
}
