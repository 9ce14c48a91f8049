// A fleet of thousands under one rollout: the coordinator's rollouts and gates and the agent's update core, with links,
// bytes, answers and time simulated. A seed replays a run exactly.

import {
  openRollouts,
  type RolloutPlanInput,
  type RolloutState,
  type Rollouts,
  readEvents,
  replay,
  rolloutEventSchema,
  rolloutPlanSchema,
  type Verdict,
} from '@skerry/cloud-coordinator/rollouts';
import {
  type Behaviour,
  createMemoryAssignmentStore,
  createMemoryEventStore,
  createMemoryRolloutDisk,
  createModelFleet,
  goodBehaviour,
  type ModelFleet,
} from '@skerry/cloud-coordinator/testing';
import { assert, defined, silentLog } from '@skerry/shared';
import { createVirtualClock } from '@skerry/shared/testing';
import { createAgentDevice } from './agent-device.ts';
import { type FleetBugName, fleetBugs } from './fleet-bugs.ts';
import { createFleetOracle, type FleetViolation } from './fleet-oracle.ts';

const stepMs = 10_000;
const turnEverySteps = 3;
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const startMs = 1_800_000_000_000;
const incumbent = `sha256:${'a'.repeat(64)}`;
const candidate = `sha256:${'b'.repeat(64)}`;

export interface FleetRunOptions {
  readonly devices: number;
  readonly seed: number;
  readonly canary: number;
  readonly herdPerMinute: number;
  readonly offlineShare?: number;
  readonly flakyShare?: number;
  /** How the candidate is; as good as the incumbent where nothing is said. */
  readonly behaviour?: Partial<Behaviour>;
  readonly bug?: FleetBugName;
  /** Of the devices so many take the candidate, the others keep what they run. */
  readonly candidateShare?: number;
}

export interface WaveRow {
  readonly wave: number;
  readonly size: number;
  readonly beganMin: number;
  readonly tookMin: number;
  readonly verdict: Verdict['verdict'];
  readonly tally: Verdict['tally'];
  /** Of the whole rollout, that the gate rested on. */
  readonly executed: number;
  readonly fetches: number;
  readonly fetchesPerMinuteMost: number;
  readonly reason: string;
}

export interface FleetRun {
  readonly rollouts: Rollouts;
  readonly fleet: ModelFleet;
  state(): RolloutState;
  /** Until `done`, or for `forMs`; stops at the first violation. */
  pass(forMs: number, done?: (state: RolloutState) => boolean): Promise<FleetViolation | undefined>;
  readonly startedMs: number;
  nowMs(): number;
  onCandidate(): number;
  /** How often a bundle's bytes were fetched. */
  fetchesOf(which: 'candidate' | 'incumbent'): number;
  waves(): readonly WaveRow[];
  /** The log folded anew is the state. */
  replays(): boolean;
}

export async function startFleetRun(options: FleetRunOptions): Promise<FleetRun> {
  const { devices, seed } = options;
  const clock = createVirtualClock(startMs);
  const disk = createMemoryRolloutDisk();
  const ref = (version: string, digest: string) => ({
    version,
    target: `digits/${version}/manifest.json`,
    bundle: { digest, bytes: 1_000 },
  });
  const fleet = createModelFleet({
    devices,
    seed,
    bundles: [ref('1.0.0', incumbent), ref('1.1.0', candidate)],
    behaviours: { [candidate]: { ...goodBehaviour, ...options.behaviour } },
    offlineShare: options.offlineShare ?? 0,
    flakyShare: options.flakyShare ?? 0,
    audits: 20,
    createDevice: createAgentDevice,
  });
  const opened = await openRollouts(
    {
      store: createMemoryEventStore(disk),
      assignments: createMemoryAssignmentStore(disk, fleet.ops),
      ops: fleet.ops,
      devices: fleet.directory,
      bundles: fleet.bundles,
      signer: fleet.signer,
      clock,
      log: silentLog,
    },
    {},
    options.bug === undefined ? undefined : fleetBugs[options.bug].decide,
  );
  assert(opened.ok, 'memory opens');
  const rollouts = opened.value;
  fleet.step(clock.nowMs());
  const plan = rolloutPlanSchema.parse(planOf(options));
  const created = await rollouts.create(plan, 'the simulation');
  assert(created.ok, created.ok ? '' : created.error.message);
  const oracle = createFleetOracle(fleet, candidate);
  const state = (): RolloutState => defined(rollouts.get(plan.id), 'the rollout');
  const log = () => {
    const events = readEvents(defined(disk.logs.get(plan.id), 'its log'), rolloutEventSchema);
    assert(events.ok, 'the log can be read');
    return events.value;
  };

  let steps = 0;
  return {
    rollouts,
    fleet,
    state,
    async pass(forMs, done = () => false) {
      for (const endMs = clock.nowMs() + forMs; clock.nowMs() < endMs && !done(state()); ) {
        clock.runNext(clock.nowMs() + stepMs);
        fleet.step(clock.nowMs());
        if (++steps % turnEverySteps !== 0) continue;
        const turned = await rollouts.turn();
        assert(turned.ok, 'a turn over memory succeeds');
        const violation = oracle.check(state(), clock.nowMs());
        if (violation !== undefined) return violation;
      }
      return undefined;
    },
    startedMs: startMs,
    nowMs: clock.nowMs,
    onCandidate: () => fleet.devices.filter((each) => each.running() === candidate).length,
    fetchesOf(which) {
      const digest = which === 'candidate' ? candidate : incumbent;
      return fleet.fetches.filter(({ bundle }) => bundle === digest).length;
    },
    waves: () =>
      waveRows(
        log(),
        state(),
        fleet.fetches.map(({ atMs }) => atMs),
      ),
    replays: () => JSON.stringify(flat(replay(log()))) === JSON.stringify(flat(state())),
  };
}

const flat = (state: RolloutState | undefined): unknown =>
  state === undefined ? undefined : { ...state, members: [...state.members] };

function planOf({ canary, herdPerMinute, candidateShare }: FleetRunOptions): RolloutPlanInput {
  return {
    id: 'digits-1',
    model: 'digits',
    version: '1.1.0',
    waves: [{ count: canary }],
    growth: 4,
    device: {
      ...(candidateShare === undefined ? {} : { experiment: { id: 'trial-1', candidateShare } }),
      metered: 'allow',
      soak: {
        forMs: 10 * minuteMs,
        requestsMin: 10,
        limits: {
          failureShareMax: 0.05,
          latencyRatioMax: 2,
          exitShareDropMax: 0.2,
          disagreementRiseMax: 0.2,
        },
      },
      timeouts: { fetchMs: hourMs, shadowMs: hourMs, activateMs: hourMs, soakMs: hourMs },
    },
    herd: { fetchesPerMinute: herdPerMinute, activationsPerMinute: herdPerMinute },
    gate: {
      devicesMin: Math.min(100, Math.ceil(canary / 2)),
      settledShareMin: 0.9,
      failedShareMax: 0.08,
      failures: { riseMax: 0.01 },
      escalations: { riseMax: 0.05 },
      disagreements: { riseMax: 0.05 },
      audits: { riseMax: 0.02 },
      latency: { ratioMax: 1.5, worseShareMax: 0.2 },
      memory: { ratioMax: 1.5, worseShareMax: 0.2 },
    },
    timeouts: { waveMs: 24 * hourMs },
  };
}

function waveRows(
  log: readonly { readonly kind: string; readonly atMs: number }[],
  state: RolloutState,
  fetches: readonly number[],
): readonly WaveRow[] {
  let beganMs = startMs;
  const rows: WaveRow[] = [];
  for (const event of log) {
    if (event.kind !== 'judged') continue;
    const { wave, verdict, atMs } = event as typeof event & { wave: number; verdict: Verdict };
    const own = fetches.filter((at) => at >= beganMs && at < atMs).sort((a, b) => a - b);
    rows.push({
      wave,
      size: state.waves[wave]?.size ?? 0,
      beganMin: Math.round((beganMs - startMs) / minuteMs),
      tookMin: Math.round((atMs - beganMs) / minuteMs),
      verdict: verdict.verdict,
      tally: verdict.tally,
      executed: verdict.evidence.find(({ sign }) => sign === 'failed devices')?.devices ?? 0,
      fetches: own.length,
      fetchesPerMinuteMost: mostInAMinute(own),
      reason: verdict.reasons[0] ?? '',
    });
    beganMs = atMs;
  }
  return rows;
}

/** Of sorted moments. */
export function mostInAMinute(moments: readonly number[]): number {
  let most = 0;
  let from = 0;
  for (const [i, at] of moments.entries()) {
    while ((moments[from] ?? at) <= at - minuteMs) from++;
    most = Math.max(most, i - from + 1);
  }
  return most;
}
