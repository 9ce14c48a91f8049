// What an operator writes for the demo: the learning run, and the rollout of what it has come to.

/** The whole network, through the cut to its cloud stage; or, of the graph that a device runs, all or the head alone. */
export const trainedParts = {
  network: { network: 'digits', trains: 'all' },
  graph: { trains: 'all' },
  head: { trains: 'head' },
} as const;
export type TrainedPart = keyof typeof trainedParts;

export interface RunSize {
  readonly id: string;
  readonly devices: number;
  readonly rounds: number;
  readonly version: string;
  readonly part: TrainedPart;
  /** That a round waits for whoever is away. */
  readonly roundMs: number;
  readonly candidate: CandidateSize;
}

export const planRun = ({ id, devices, rounds, version, part, roundMs, candidate }: RunSize) => ({
  id,
  model: 'digits',
  base: version,
  ...trainedParts[part],
  rounds,
  // All are asked, and a round is one without all: somebody is always away.
  clients: { target: devices, min: Math.max(2, devices - 2), overSelect: 1 },
  eligibility: { idle: false },
  work: { epochs: 1, batch: 10, learningRate: 0.05, holdOut: 0.1 },
  evaluate: { everyRounds: rounds, clients: devices },
  // Better than what it began from, or it is no candidate; and rolled out when it is signed.
  candidate: {
    version: candidate.version,
    accuracyDropMax: 0,
    rollOut: planCandidateRollout(candidate),
  },
  timeouts: { gatherMs: 3_000, selectMs: 60_000, roundMs, evaluateMs: roundMs },
});

const minuteMs = 60_000;

export interface CandidateSize {
  readonly version: string;
  readonly canary: number;
  readonly soakMs: number;
}

/**
 * The candidate answers otherwise than what runs, and is meant to; and it escalates more, for what runs is sure of much that
 * it has wrong. So shadows show that it runs, and the gate looks at failures and at what audits find.
 */
const planCandidateRollout = ({ canary, soakMs }: CandidateSize) => ({
  waves: [{ count: canary }, {}],
  device: {
    metered: 'allow',
    shadow: { runsMin: 10, agreementMin: 0, shareMax: 1, latencyMsMax: 1_000 },
    soak: {
      forMs: soakMs,
      requestsMin: 60,
      limits: {
        failureShareMax: 0.02,
        latencyRatioMax: 50,
        exitShareDropMax: 1,
        disagreementRiseMax: 1,
      },
    },
    timeouts: {
      fetchMs: 2 * minuteMs,
      shadowMs: 2 * minuteMs,
      activateMs: 2 * minuteMs,
      soakMs: 3 * minuteMs,
    },
  },
  herd: { fetchesPerMinute: 600, activationsPerMinute: 600 },
  gate: {
    devicesMin: canary,
    // Of so few a share would show nothing: one that fails is too many.
    failedMax: 1,
    failures: { riseMax: 0.05, answersMin: canary * 10 },
    audits: { riseMax: 0.1, answersMin: 1 },
    onHarm: 'rollback',
  },
  timeouts: { takeMs: 2 * minuteMs, graceMs: minuteMs, revertMs: minuteMs, waveMs: 10 * minuteMs },
});
