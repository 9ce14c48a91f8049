// A rollout as it goes: what each wave came to, and how long it took.

import type { RolloutView, ShownVerdict } from './rollout-view.ts';

export interface WaveRecord {
  readonly wave: number;
  readonly members: number;
  /** Whose update had ended, well or ill, when the gate spoke. */
  readonly executed: number;
  readonly verdict: ShownVerdict['verdict'];
  readonly reasons: readonly string[];
  readonly evidence: ShownVerdict['evidence'];
  readonly seconds: number;
}

export interface WatchedRollout {
  readonly name: string;
  readonly bundle: string;
  readonly end: RolloutView;
  readonly waves: readonly WaveRecord[];
  readonly seconds: number;
}

const lookEveryMs = 300;

/** Until `isOver`; throws where it takes longer than `timeoutMs`, with why it stands where it stands. */
export async function watchRollout(
  name: string,
  look: () => Promise<RolloutView>,
  isOver: (view: RolloutView) => boolean,
  { timeoutMs, onLook }: { readonly timeoutMs: number; onLook(view: RolloutView): Promise<void> },
): Promise<WatchedRollout> {
  const startedMs = Date.now();
  const waves = new Map<number, WaveRecord>();
  let beganMs = startedMs;
  for (;;) {
    const view = await look();
    const { verdict } = view;
    if (verdict !== undefined && !waves.has(verdict.wave)) {
      const { members, succeeded, failed } = view.waves[verdict.wave]?.devices ?? none;
      // Afterwards a rollback takes them out of the count: what the gate weighed says how many they were.
      const weighed = Math.max(0, ...verdict.evidence.map(({ devices }) => devices));
      const before = [...waves.values()].reduce((sum, { executed }) => sum + executed, 0);
      waves.set(verdict.wave, {
        ...verdict,
        members,
        executed: Math.max(succeeded + failed, weighed - before),
        seconds: (verdict.atMs - beganMs) / 1_000,
      });
      beganMs = verdict.atMs;
    }
    await onLook(view);
    if (isOver(view)) {
      const seconds = (Date.now() - startedMs) / 1_000;
      return { name, bundle: view.bundle, end: view, waves: [...waves.values()], seconds };
    }
    if (Date.now() - startedMs > timeoutMs)
      throw new Error(
        `${name} is ${view.phase.kind} after ${timeoutMs} ms: ${view.reasons.join('; ')}`,
      );
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
}

const none = { members: 0, succeeded: 0, failed: 0 };
