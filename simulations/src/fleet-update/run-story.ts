// The story: a good version goes to the fleet in waves; a bad one, which every process runs without an error, is caught in
// its canary by how the model behaves; then the good one too is taken back from everybody by one order. The apps of all
// devices ask all the while.

import type { LabelledImage } from '../demo/feed.ts';
import { type Load, startLoad } from './load.ts';
import type { MadeVersions } from './make-versions.ts';
import { fetchedBlobs, type Moved, movedBytes } from './moved-bytes.ts';
import { factoryBundle, openUpdatableFleet, type UpdatableFleet } from './open-fleet.ts';
import { createOperator, type Operator } from './operator.ts';
import { planRollout } from './plan-rollout.ts';
import type { RolloutView } from './rollout-view.ts';
import { type WatchedRollout, watchRollout } from './watch.ts';

export interface StoryOptions {
  readonly agents: number;
  readonly canary: number;
  readonly versions: MadeVersions;
  readonly images: readonly LabelledImage[];
  readonly imagesPerSecond: number;
  readonly soakMs: number;
  /** That the apps ask before anything changes. */
  readonly baselineSeconds: number;
  onEvent(text: string): void;
}

export interface StoryEnd {
  readonly agents: number;
  readonly canary: number;
  readonly good: WatchedRollout & { readonly running: number };
  /** `exposed`: most devices that ran it at one time. `left`: that run it afterwards. */
  readonly bad: WatchedRollout & {
    readonly exposed: number;
    readonly left: number;
    readonly quarantined: boolean;
  };
  readonly back: WatchedRollout & { readonly running: number; readonly blobsFetched: number };
  readonly moved: readonly Moved[];
  readonly asked: number;
  readonly failed: number;
  readonly lastFailure: string | undefined;
}

/** Of one rollout, on a machine that is busy. */
const rolloutTimeoutMs = 20 * 60_000;
const heartbeatTimeoutMs = 60_000;
const lookEveryMs = 300;

export async function runStory(options: StoryOptions): Promise<StoryEnd> {
  const { agents, onEvent } = options;
  const fleet = await openUpdatableFleet(agents, (count) =>
    onEvent(`${count} of ${agents} agents`),
  );
  let load: Load | undefined;
  try {
    const operator = createOperator(fleet);
    load = startLoad(fleet.agents, options.images, options.imagesPerSecond);
    const told = await play(options, fleet, operator);
    await load.stop();
    return {
      ...told,
      agents,
      canary: options.canary,
      asked: load.asked(),
      failed: load.failed(),
      lastFailure: load.lastFailure(),
    };
  } finally {
    await load?.stop();
    await fleet.close();
  }
}

async function play(options: StoryOptions, fleet: UpdatableFleet, operator: Operator) {
  const { versions, canary, agents, onEvent } = options;
  const digests: Record<'factory' | 'good' | 'bad', string> = { factory: '', good: '', bad: '' };
  const { good, bad } = versions;
  for (const [name, folder] of [
    ['factory', factoryBundle],
    ['good', good.folder],
    ['bad', bad.folder],
  ] as const) {
    digests[name] = await operator.push(folder);
    await operator.sign(folder);
  }
  onEvent('three versions are pushed, and each is signed by two keys');
  const runningAre = async (bundle: string): Promise<number> =>
    [...(await operator.running()).values()].filter((runs) => runs === bundle).length;
  const untilAllRun = async (bundle: string): Promise<number> => {
    const byMs = Date.now() + heartbeatTimeoutMs;
    for (;;) {
      const count = await runningAre(bundle);
      if (count === agents || Date.now() > byMs) return count;
      await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
    }
  };
  const watch = (
    id: string,
    isOver: (view: RolloutView) => boolean,
    onLook = async (_: RolloutView) => {},
  ) => {
    let said = '';
    return watchRollout(id, () => operator.view(id), isOver, {
      timeoutMs: rolloutTimeoutMs,
      async onLook(view) {
        const text = `${id}: ${view.reasons.join('; ')}`.replace(/; ends by itself.*/, '');
        if (text !== said) onEvent(text);
        said = text;
        await onLook(view);
      },
    });
  };
  const isOver = ({ phase }: RolloutView): boolean =>
    !['running', 'rolling-back'].includes(phase.kind);
  const size = { canary, devices: agents, soakMs: options.soakMs };

  await untilAllRun(digests.factory);
  onEvent(`the apps ask for ${options.baselineSeconds} s: what a candidate is compared with`);
  await new Promise((resolve) => setTimeout(resolve, options.baselineSeconds * 1_000));
  await operator.begin(planRollout('digits-good', good.version, size));
  const goodSeen = await watch('digits-good', isOver);
  const { phase, reasons } = goodSeen.end;
  // Without it there is nothing for the bad one to be worse than, nor anything to take back.
  if (phase.kind !== 'completed') throw new Error(`the good version: ${reasons.join('; ')}`);
  const onGood = await untilAllRun(digests.good);

  await operator.begin(planRollout('digits-bad', bad.version, size));
  let exposed = 0;
  const badSeen = await watch('digits-bad', isOver, async () => {
    exposed = Math.max(exposed, await runningAre(digests.bad));
  });
  await untilAllRun(digests.good);
  const left = await runningAre(digests.bad);
  const quarantined = (await operator.quarantined()).includes(digests.bad);
  const moved = await movedBytes(fleet.agents);

  const before = await fetchedBlobs(fleet.agents);
  onEvent('one order: everybody back');
  await operator.rollBack('digits-good', 'the demo ends');
  const backSeen = await watch('digits-good', ({ phase }) => phase.kind === 'rolled-back');
  const onFactory = await untilAllRun(digests.factory);
  const blobsFetched = (await fetchedBlobs(fleet.agents)) - before;
  return {
    good: { ...goodSeen, running: onGood },
    bad: { ...badSeen, exposed, left, quarantined },
    back: { ...backSeen, running: onFactory, blobsFetched },
    moved,
  };
}
