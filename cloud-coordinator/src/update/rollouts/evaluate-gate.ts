// Whether the next wave may begin. A pure function of the devices whose update has ended: who was not reached, or is under
// way, or was only told, is in no denominator, and nobody's silence speaks for the candidate.
//
//   rollback   harm is shown: a candidate that is no worse is called so, in any sign, at any look, with a chance ≤ delta
//   pause      something a person should look at: most refuse it, or answers shift
//   hold       not enough data, or not enough devices have ended, or what was seen is beyond a limit and may yet be chance:
//              the reasons say which. Where nobody is left who could change it: pause
//   promote    enough has ended, no sign shows harm, and what is to be proven is: a candidate that is worse by its limit
//              passes a sign that must be proven with a chance ≤ delta, over all looks

import { clopperPearson } from '@skerry/models';
import { type AnytimeBounds, anytimeBounds, type Seen, toRise } from './anytime-bound.ts';
import { driftSigns, type Execution, type Sign, signsOf } from './gate-signs.ts';
import type { Evidence, Tally, Verdict } from './rollout-event.ts';
import type { GateLimits } from './rollout-plan.ts';

export interface Observed {
  /** Of the present wave. */
  readonly tally: Tally;
  /** Of the whole rollout: what the canary has shown is not forgotten. */
  readonly executions: readonly Execution[];
  /** Of the whole rollout. */
  readonly refused: number;
}

/** Of the eye's own interval, each side. */
const exactDelta = 0.025;
const evidenceMax = 32;
const reasonsMax = 16;

export function evaluateGate(limits: GateLimits, observed: Observed): Verdict {
  const { executions, refused, tally } = observed;
  const classes = executions.reduce(
    (most, { health }) => Math.max(most, health?.labels?.length ?? 0),
    0,
  );
  const drifts = driftSigns(limits, classes);
  const signs = signsOf(limits);
  // One share for each sign, one for the refusals, one for drift as a whole.
  const delta = limits.delta / (signs.length + 1 + (limits.drift === undefined ? 0 : 1));
  const weighed = signs.map((sign) => weigh(sign, executions, delta, limits.delta));
  const moves = drifts.map((sign) => weigh(sign, executions, delta / drifts.length, limits.delta));
  const drifted = moves.filter(({ evidence }) => evidence.finding === 'harm');
  const suspected = moves.filter(({ evidence }) => evidence.finding === 'suspected');
  const undrifted = limits.drift === undefined ? [] : driftLack(limits.drift.moveMax, moves[0]);
  const all = [...weighed, ...drifted, ...suspected];
  const harm = all.filter(({ evidence }) => evidence.finding === 'harm');
  const evidence = [...all.map((each) => each.evidence), ...undrifted].slice(0, evidenceMax);
  const verdict = (kind: Verdict['verdict'], reasons: readonly string[]): Verdict => ({
    verdict: kind,
    reasons: reasons.slice(0, reasonsMax),
    evidence,
    tally,
  });

  const failed = executions.filter((each) => each.failed).length;
  if (limits.failedMax !== undefined && failed >= limits.failedMax)
    return verdict(limits.onHarm, [
      `${failed} devices have failed, and ${limits.failedMax} are too many`,
    ]);
  const worst = harm.filter(({ sign }) => sign.onHarm === 'rollback');
  if (worst.length > 0) return verdict('rollback', worst.map(describeHarm));
  if (harm.length > 0) return verdict('pause', harm.map(describeHarm));
  const answered = executions.length + refused;
  if (refusalsShown(refused, answered, limits, delta))
    return verdict('pause', [`${refused} of ${answered} devices refuse it`]);
  const lacking = [
    ...checkSettled(limits, executions.length, tally),
    ...[...weighed, ...suspected].flatMap(describeLack),
    ...undrifted.map(({ trials }) =>
      trials === 0
        ? 'drift: nobody has told which classes it answers, now and before'
        : `drift: ${Math.floor(trials)} of ${limits.devicesMin} answers so far`,
    ),
  ];
  if (lacking.length === 0)
    return verdict('promote', [`${executions.length} devices executed, no harm shown`]);
  const mayChange = tally.waiting + tally.underWay + tally.unreachable > 0;
  return mayChange || tally.members === 0
    ? verdict('hold', lacking)
    : verdict('pause', ['all of the wave have ended, and it is not decided', ...lacking]);
}

/** Every class rests on the same answers, so one tells of all whether they are too few. */
function driftLack(moveMax: number, any: Weighed | undefined): readonly Evidence[] {
  const { trials, devices } = any?.evidence ?? { trials: 0, devices: 0 };
  if (any !== undefined && trials >= any.sign.trialsMin) return [];
  return [
    { sign: 'drift', finding: 'too-few', trials, devices, lower: -1, upper: 1, limit: moveMax },
  ];
}

interface Weighed {
  readonly sign: Sign;
  readonly evidence: Evidence;
}

function weigh(
  sign: Sign,
  executions: readonly Execution[],
  harmDelta: number,
  proofDelta: number,
): Weighed {
  const seen = new Map<number, number>();
  const candidate = { hits: 0, trials: 0 };
  const incumbent = { hits: 0, trials: 0 };
  let devices = 0;
  let trials = 0;
  let stakes = 0;
  for (const execution of executions) {
    const each = sign.see(execution);
    if (each.length > 0) devices++;
    for (const [value, times] of each) {
      seen.set(value, (seen.get(value) ?? 0) + times);
      stakes += times;
    }
    trials += sign.trials(execution);
    const counts = sign.count(execution);
    candidate.hits += counts.candidate.hits;
    candidate.trials += counts.candidate.trials;
    incumbent.hits += counts.incumbent?.hits ?? 0;
    incumbent.trials += counts.incumbent?.trials ?? 0;
  }
  const total: Seen = [...seen];
  const toScale = (bounds: AnytimeBounds): AnytimeBounds =>
    sign.kind === 'rise' ? toRise(bounds) : bounds;
  // Each side at its own delta: harm in any sign is one too many, while a proof must hold in every sign.
  const { lower, upper } = toScale(anytimeBounds(total, harmDelta, proofDelta));
  const isProven = upper <= sign.limit;
  const enough = (sign.kind === 'share' ? devices : trials) >= sign.trialsMin;
  const mean =
    stakes === 0 ? 0 : total.reduce((sum, [value, times]) => sum + value * times, 0) / stakes;
  const findingOf = (): Evidence['finding'] => {
    if (isProven) return 'no-harm-proven';
    const isBeyond = toScale({ lower: mean, upper: mean }).lower > sign.limit;
    if (lower > sign.harmAbove && isBeyond) return 'harm';
    if (!enough) return 'too-few';
    return isBeyond ? 'suspected' : 'none-shown';
  };
  return {
    sign,
    evidence: {
      sign: sign.name,
      finding: findingOf(),
      trials,
      devices,
      ...(candidate.trials > 0 ? { candidate: candidate.hits / candidate.trials } : {}),
      ...(incumbent.trials > 0 ? { incumbent: incumbent.hits / incumbent.trials } : {}),
      lower,
      upper,
      limit: sign.limit,
      ...(sign.share !== undefined && candidate.trials > 0
        ? { exact: clopperPearson(candidate.hits, candidate.trials, exactDelta) }
        : {}),
    },
  };
}

function refusalsShown(
  refused: number,
  answered: number,
  { refusedShareMax, devicesMin }: GateLimits,
  delta: number,
): boolean {
  if (answered < devicesMin) return false;
  const seen: Seen = [
    [1, refused],
    [0, answered - refused],
  ];
  return anytimeBounds(seen, delta).lower > refusedShareMax;
}

function checkSettled(limits: GateLimits, executed: number, tally: Tally): readonly string[] {
  const lacking: string[] = [];
  if (executed < limits.devicesMin)
    lacking.push(`${executed} of ${limits.devicesMin} devices executed`);
  const inWave = tally.succeeded + tally.failed;
  const ended = inWave + tally.refused;
  const reachable = ended + tally.underWay + tally.waiting;
  if (inWave === 0 && tally.exempt < tally.members)
    lacking.push(`nobody of this wave has executed; ${tally.unreachable} unreachable`);
  if (ended < limits.settledShareMin * reachable)
    lacking.push(
      `${ended} of ${reachable} reachable devices of this wave have ended, ${limits.settledShareMin} of them must`,
    );
  return lacking;
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function describeHarm({ sign, evidence }: Weighed): string {
  const { candidate = 0, incumbent, lower, upper } = evidence;
  return incumbent === undefined
    ? `${sign.name}: ${percent(candidate)}, at least ${percent(lower)}, where ${percent(sign.limit)} may be`
    : `${sign.name}: ${percent(candidate)} against ${percent(incumbent)} before, a rise of ${percent(lower)} to ${percent(upper)}`;
}

function describeLack({
  sign,
  evidence: { finding, trials, devices, upper },
}: Weighed): readonly string[] {
  const unit =
    sign.kind === 'share'
      ? `${devices} of ${sign.trialsMin} devices`
      : `${Math.floor(trials)} of ${sign.trialsMin} answers`;
  if (finding === 'too-few') return [`${sign.name}: ${unit} so far`];
  if (finding === 'suspected')
    return [`${sign.name}: beyond ${percent(sign.limit)} as far as seen, and it may be chance`];
  return finding === 'none-shown' && sign.need === 'prove'
    ? [
        `${sign.name}: a rise of up to ${percent(upper)} is possible, ${percent(sign.limit)} is to be excluded`,
      ]
    : [];
}
