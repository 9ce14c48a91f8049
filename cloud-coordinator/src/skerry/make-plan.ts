// A rollout's plan from flags, for the common case; everything else is a PLAN.json. What a flag does not say is a default
// that is told by `--dry-run`, which prints the whole plan.

import { describeIssues, err, failure, ok, type Result } from '@skerry/shared';
import { z } from 'zod';
import {
  type RolloutPlan,
  type RolloutPlanInput,
  rolloutPlanSchema,
} from '../update/rollouts/index.ts';

const secondMs = 1_000;
const unitsMs: Readonly<Record<string, number>> = {
  s: secondMs,
  m: 60 * secondMs,
  h: 3_600 * secondMs,
  d: 86_400 * secondMs,
};

/** `90s`, `10m`, `2h`, `7d`. */
export const durationSchema = z
  .string()
  .regex(/^\d{1,6}[smhd]$/, 'expected a duration such as 90s, 10m, 2h or 7d')
  .transform((text) => Number(text.slice(0, -1)) * (unitsMs[text.slice(-1)] ?? 0));

export const listSchema = z
  .string()
  .transform((text) => text.split(',').map((item) => item.trim()))
  .optional();
export const numberSchema = z
  .string()
  .regex(/^\d+(\.\d+)?$/, 'expected a number')
  .transform(Number);

export const planFlags = z.strictObject({
  id: z.string().optional().describe('its name; by default MODEL-VERSION with dashes'),
  model: z.string().optional(),
  version: z.string().optional().describe('a version or an alias'),
  variant: z.string().optional().describe('the build; by default each device’s own choice'),
  waves: z
    .string()
    .default('1%,10%,100%')
    .describe(
      'how far each wave goes, with those before it: shares of all, or numbers of devices; 1%,10%,100%',
    ),
  approve: z
    .enum(['none', 'start', 'each-wave'])
    .default('none')
    .describe('none, start or each-wave'),
  sites: listSchema.describe('only these, separated by commas'),
  targets: listSchema.describe('only these kinds of hardware'),
  labels: listSchema.describe('only devices with all of these labels'),
  devices: listSchema.describe('only these'),
  soak: durationSchema
    .prefault('10m')
    .describe('how long a device watches it before it confirms; 10m'),
  requests: numberSchema.prefault('10').describe('that it must have answered by then; 10'),
  fetchesPerMinute: numberSchema.prefault('600').describe('devices that begin to fetch; 600'),
  devicesMin: numberSchema.prefault('20').describe('below which the gate decides nothing; 20'),
  riseMax: numberSchema
    .prefault('0.02')
    .describe('of wrong audits, failures and cloud disagreements: a rise that is no matter; 0.02'),
  answersMin: numberSchema
    .prefault('100')
    .describe(
      'answers of each kind before it may promote; 100. 0: it looks at failed devices alone',
    ),
  failedMax: numberSchema
    .optional()
    .describe('so many failed devices are too many, whatever their share: for a small fleet'),
  prove: z
    .boolean()
    .default(false)
    .describe('waits until the audits show that the rise is less, not only that none is shown'),
});
export type PlanFlags = z.output<typeof planFlags>;

/** Fails with `invalid_argument`. */
export function makePlan(flags: PlanFlags): Result<RolloutPlan> {
  const { model, version } = flags;
  if (model === undefined || version === undefined)
    return err(failure('invalid_argument', 'give a PLAN.json, or --model and --version'));
  const waves = wavesOf(flags.waves);
  if (!waves.ok) return waves;
  const { soak, sites, targets, labels, devices } = flags;
  const hourMs = unitsMs['h'] ?? 0;
  const select = { sites, targets, labels, devices };
  const plan: RolloutPlanInput = {
    id: flags.id ?? `${model}-${version}`.toLowerCase().replace(/[^a-z0-9-]+/g, '-'),
    model,
    version,
    ...(flags.variant === undefined ? {} : { variant: flags.variant }),
    select: Object.fromEntries(Object.entries(select).filter(([, list]) => list !== undefined)),
    waves: waves.value,
    approvals: flags.approve,
    device: {
      metered: 'wait',
      soak: {
        forMs: soak,
        requestsMin: flags.requests,
        limits: {
          failureShareMax: 0.05,
          latencyRatioMax: 3,
          exitShareDropMax: 0.2,
          disagreementRiseMax: 0.2,
        },
      },
      timeouts: {
        fetchMs: 24 * hourMs,
        shadowMs: hourMs,
        activateMs: hourMs,
        soakMs: soak + hourMs,
      },
    },
    herd: {
      fetchesPerMinute: flags.fetchesPerMinute,
      activationsPerMinute: flags.fetchesPerMinute,
    },
    gate: gateOf(flags),
  };
  return readPlan(plan);
}

function gateOf(flags: PlanFlags): RolloutPlanInput['gate'] {
  const { riseMax, answersMin, prove, devicesMin, failedMax } = flags;
  const compared = { riseMax, answersMin };
  return {
    devicesMin,
    ...(failedMax === undefined ? {} : { failedMax }),
    ...(answersMin === 0
      ? {}
      : {
          audits: { ...compared, need: prove ? ('prove' as const) : ('watch' as const) },
          failures: compared,
          // Few questions are escalated where a model is sure of itself.
          disagreements: { riseMax, answersMin: 1 },
        }),
  };
}

/** Fails with `invalid_argument` and what is wrong. */
export function readPlan(value: unknown): Result<RolloutPlan> {
  const plan = rolloutPlanSchema.safeParse(value);
  return plan.success
    ? ok(plan.data)
    : err(failure('invalid_argument', describeIssues(plan.error, 'the plan')));
}

/** `1%,10%,100%`, or `5,50,100%`: each goes so far, with those before it. */
function wavesOf(text: string): Result<RolloutPlanInput['waves']> {
  const invalid = err(
    failure(
      'invalid_argument',
      `--waves ${text}: expected rising numbers, then rising shares, such as 1%,10%,100% or 5,50,100%`,
    ),
  );
  const waves: RolloutPlanInput['waves'] = [];
  let before = 0;
  let counted = 0;
  for (const part of text.split(',').map((each) => each.trim())) {
    if (/^\d{1,6}$/.test(part) && before === 0 && Number(part) > counted) {
      waves.push({ count: Number(part) - counted });
      counted = Number(part);
      continue;
    }
    if (!/^\d{1,3}(\.\d+)?%$/.test(part)) return invalid;
    const share = Number(part.slice(0, -1)) / 100;
    if (share <= before || share > 1) return invalid;
    waves.push(share === 1 ? {} : { reach: share });
    before = share;
  }
  return ok(waves);
}
