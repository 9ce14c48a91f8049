// `skerry learn query …`: a run that asks devices of their examples and trains nothing, from flags.

import { describeIssues, err, failure, ok, type Result } from '@skerry/shared';
import { z } from 'zod';
import { runViewSchema } from '../http/learn-views.ts';
import { type RunPlan, type RunPlanInput, runPlanSchema } from '../learn/runs/index.ts';
import { type Answer, type Call, defineCommand } from './command.ts';
import { drawRun } from './draw-run.ts';
import { watchRun } from './learn-commands.ts';
import { durationSchema, listSchema, numberSchema } from './make-plan.ts';
import { by } from './rollout-commands.ts';

const queryFlags = z.strictObject({
  of: z
    .enum(['labels', 'mean', 'deviation'])
    .default('labels')
    .describe('labels, or of the numbers of an input mean or deviation, in bins'),
  range: z
    .string()
    .default('0,255')
    .describe('FROM,TO: of the bins, what lies beyond is in the first or the last; 0,255'),
  bins: numberSchema.prefault('16').describe('of one width; 16'),
  per: z
    .enum(['site', 'target', 'hardware-class'])
    .optional()
    .describe('site, target or hardware-class: told apart where enough devices are in each'),
  devicesMin: numberSchema.prefault('5').describe('no number of fewer is shown; 5'),
  devices: numberSchema.prefault('50').describe('when so many have answered it is over; 50'),
  examples: numberSchema.prefault('10000').describe('of one device so many count at most; 10000'),
  within: durationSchema.prefault('10m').describe('how long answers are waited for; 10m'),
  masked: z
    .boolean()
    .default(false)
    .describe('nobody sees what one device has answered, the coordinator neither'),
  noise: numberSchema
    .optional()
    .describe(
      'masked, and each device adds its share of it: z of the sum of the fewest, in --examples',
    ),
  epsilon: numberSchema.prefault('8').describe('of privacy, what noise may cost; 8'),
  delta: z.coerce.number().gt(0).lt(1).default(1e-5).describe('and its δ; 0.00001'),
  sites: listSchema.describe('only these, separated by commas'),
  targets: listSchema.describe('only these kinds of hardware'),
  labels: listSchema.describe('only devices with all of these labels'),
  id: z.string().optional().describe('its name; by default of model, question and time'),
  by,
  dryRun: z.boolean().default(false).describe('prints the whole plan, and asks nothing'),
  background: z.boolean().default(false).describe('begins it; learn show has the answer'),
});
type QueryFlags = z.output<typeof queryFlags>;

export const queryCommands = {
  'learn query': defineCommand({
    about: 'how many examples of what devices hold; no example leaves them',
    operands: 'MODEL VERSION',
    flags: queryFlags,
    async run(call) {
      const plan = planOf(call);
      if (!plan.ok) return plan;
      if (call.flags.dryRun)
        return ok({ text: JSON.stringify(plan.value, undefined, 2), value: plan.value });
      return ask(call, plan.value);
    },
  }),
} as const;

async function ask(call: Call<QueryFlags>, plan: RunPlan): Promise<Result<Answer>> {
  const query = new URLSearchParams({ by: call.flags.by ?? call.user });
  const started = await call.client.send('POST', `/v1/learn?${query}`, plan, runViewSchema);
  if (!started.ok) return started;
  return call.flags.background
    ? ok({ text: drawRun(started.value), value: started.value })
    : watchRun(call, started.value.id);
}

function noiseOf({ noise, examples, epsilon, delta }: QueryFlags): Pick<RunPlanInput, 'privacy'> {
  if (noise === undefined) return {};
  // No device’s counts are longer than all of its examples in one cell.
  const distributed = { noiseMultiplier: noise, clip: examples };
  return { privacy: { distributed, budget: { epsilonMax: epsilon, delta } } };
}

/** Fails with `invalid_argument`. */
function planOf({ flags, operands, clock }: Call<QueryFlags>): Result<RunPlan> {
  const [model = '', base = ''] = operands;
  const { of, bins, per, devices, devicesMin, within, examples, sites, targets, labels } = flags;
  const [from, to] = flags.range.split(',').map(Number);
  const question =
    of === 'labels'
      ? { kind: of }
      : { kind: 'inputs' as const, measure: of, from: from ?? 0, to: to ?? 0, bins };
  const select = { sites, targets, labels };
  const plan: RunPlanInput = {
    id: flags.id ?? `${model}-${of}-${clock.nowMs().toString(36)}`,
    model,
    base,
    query: { question, ...(per === undefined ? {} : { cohort: per }) },
    rounds: 1,
    clients: { target: Math.max(devices, devicesMin), min: devicesMin },
    select: Object.fromEntries(Object.entries(select).filter(([, list]) => list !== undefined)),
    // To count is little work: nobody has to be idle for it.
    eligibility: { idle: false },
    work: { examplesMin: 1, examplesMax: examples },
    ...(flags.masked || flags.noise !== undefined ? { masking: {} } : {}),
    ...noiseOf(flags),
    timeouts: { gatherMs: 0, selectMs: within, roundMs: within },
  };
  const read = runPlanSchema.safeParse(plan);
  if (read.success) return ok(read.data);
  return err(failure('invalid_argument', describeIssues(read.error, 'the query')));
}
