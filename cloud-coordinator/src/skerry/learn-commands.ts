// `skerry learn …`

import { readFileSync, writeFileSync } from 'node:fs';
import {
  describeIssues,
  err,
  failure,
  messageOf,
  ok,
  parseJson,
  type Result,
} from '@skerry/shared';
import { createSystemRandom, sha256 } from '@skerry/shared/node';
import { z } from 'zod';
import {
  contributionsSchema,
  type RunView,
  roundsSchema,
  runListSchema,
  runViewSchema,
} from '../http/learn-views.ts';
import { planBytesMax } from '../http/rollouts.ts';
import {
  drawLearning,
  learningSvg,
  type PlottedRound,
  type PlottedRun,
} from '../learn/plots/index.ts';
import { type RunPlan, runPlanSchema } from '../learn/runs/index.ts';
import { type Answer, type Call, defineCommand } from './command.ts';
import type { CoordinatorClient } from './coordinator-client.ts';
import { drawRun, drawRuns } from './draw-run.ts';
import { drawTable } from './draw-table.ts';
import { createProgressBar } from './progress-bar.ts';
import { by, orderFlags, orderOf } from './rollout-commands.ts';
import { uploadFile } from './upload-file.ts';
import { watchView } from './watch-view.ts';

const none = z.strictObject({});
/** It reads the base and stores its vector. */
const startWithinMs = 60_000;

export const learnCommands = {
  'learn start': defineCommand({
    about: 'lets the fleet learn: by PLAN.json',
    operands: 'PLAN.json',
    flags: z.strictObject({
      by,
      dryRun: z.boolean().default(false).describe('prints the whole plan, and begins nothing'),
      watch: z.boolean().default(false).describe('and watches it to its end'),
      heldOut: z
        .string()
        .optional()
        .describe('IMAGES,LABELS: two IDX files that no device has, which judge the model'),
    }),
    async run(call) {
      const plan = readPlanFile(call.operands[0] ?? '', await refsOf(call.flags.heldOut));
      if (!plan.ok) return plan;
      if (call.flags.dryRun)
        return ok({ text: JSON.stringify(plan.value, undefined, 2), value: plan.value });
      const sent = await sendHeldOut(call, plan.value, call.flags.heldOut);
      if (!sent.ok) return sent;
      const query = new URLSearchParams({ by: call.flags.by ?? call.user });
      const started = await call.client.send(
        'POST',
        `/v1/learn?${query}`,
        plan.value,
        runViewSchema,
        startWithinMs,
      );
      if (!started.ok) return started;
      return call.flags.watch ? watchRun(call, started.value.id) : shown(started);
    },
  }),

  'learn list': defineCommand({
    about: 'the latest runs, the newest first',
    operands: '',
    flags: none,
    async run({ client }) {
      const list = await client.get('/v1/learn', runListSchema);
      return list.ok ? ok({ text: drawRuns(list.value.runs), value: list.value }) : list;
    },
  }),

  'learn show': defineCommand({
    about: 'its rounds, and why it stands where it stands',
    operands: 'RUN',
    flags: none,
    run: async ({ client, operands: [id = ''] }) =>
      shown(await client.get(pathOf(id), runViewSchema)),
  }),

  'learn watch': defineCommand({
    about: 'the same, live, until it is over; 1 where it was not completed',
    operands: 'RUN',
    flags: none,
    run: (call) => watchRun(call, call.operands[0] ?? ''),
  }),

  'learn why': defineCommand({
    about: 'why a run stands where it stands',
    operands: 'RUN',
    flags: none,
    async run({ client, operands: [id = ''] }) {
      const view = await client.get(pathOf(id), runViewSchema);
      if (!view.ok) return view;
      const { reasons } = view.value;
      return ok({ text: reasons.join('\n'), value: { run: id, reasons } });
    },
  }),

  'learn rounds': defineCommand({
    about: 'what each round has come to, as CSV',
    operands: 'RUN',
    flags: none,
    async run({ client, operands: [id = ''] }) {
      const rounds = await roundsOf(client, id);
      if (!rounds.ok) return rounds;
      return ok({ text: csvOf(rounds.value), value: { run: id, rounds: rounds.value } });
    },
  }),

  'learn plot': defineCommand({
    about: 'accuracy, loss, cohorts and privacy by round, here or as SVG',
    operands: 'RUN',
    flags: z.strictObject({
      svg: z.string().min(1).optional().describe('a file to write them to instead'),
    }),
    async run({ client, flags: { svg }, operands: [id = ''] }) {
      const view = await client.get(pathOf(id), runViewSchema);
      if (!view.ok) return view;
      const rounds = await roundsOf(client, id);
      if (!rounds.ok) return rounds;
      const { privacy } = view.value;
      const run: PlottedRun = {
        name: id,
        rounds: rounds.value.map(plottedOf),
        ...(privacy === undefined ? {} : { budget: privacy }),
      };
      const value = { run: id, rounds: rounds.value };
      if (svg === undefined) return ok({ text: drawLearning(run), value });
      try {
        writeFileSync(svg, learningSvg(run));
      } catch (thrown) {
        return err(failure('storage_failed', messageOf(thrown)));
      }
      return ok({ text: svg, value });
    },
  }),

  'learn updates': defineCommand({
    about: 'whose updates are in a round’s model, and with what weight',
    operands: 'RUN ROUND',
    flags: none,
    async run({ client, operands: [id = '', round = ''] }) {
      const path = `${pathOf(id)}/rounds/${encodeURIComponent(round)}/updates`;
      const made = await client.get(path, contributionsSchema);
      if (!made.ok) return made;
      const rows = made.value.contributions.map((each) => [
        each.device,
        each.used ? 'used' : (each.reason ?? 'not used'),
        each.weight?.toPrecision(4) ?? '',
        each.examples,
        each.score?.toPrecision(4) ?? '',
        each.update,
      ]);
      const head = ['device', '', 'weight', 'examples', 'score', 'update'];
      return ok({ text: drawTable(head, rows), value: made.value });
    },
  }),

  'learn stop': defineCommand({
    about: 'ends a run; what it has learned is kept',
    operands: 'RUN',
    flags: orderFlags,
    run: async (call) =>
      shown(
        await call.client.send(
          'POST',
          `${pathOf(call.operands[0] ?? '')}/stop`,
          orderOf(call),
          runViewSchema,
        ),
      ),
  }),
} as const;

/** Bad where it has not been completed. */
export const watchRun = (call: Call<unknown>, id: string): Promise<Result<Answer>> =>
  watchView(call, {
    path: `${pathOf(id)}/events`,
    schema: runViewSchema,
    draw: drawRun,
    endOf({ phase: { kind } }) {
      if (kind === 'completed') return 'good';
      return kind === 'stopped' || kind === 'failed' ? 'bad' : undefined;
    },
  });

function shown(view: Result<RunView>): Result<Answer> {
  return view.ok ? ok({ text: drawRun(view.value), value: view.value }) : view;
}

function csvOf(rounds: z.infer<typeof roundsSchema>['rounds']): string {
  const rows = rounds.map((each) =>
    [
      each.round,
      each.attempts,
      each.clients,
      each.used,
      each.quarantined,
      each.stepNorm,
      each.metrics['loss'] ?? '',
      each.federated?.metrics['loss'] ?? '',
      each.federated?.metrics['accuracy'] ?? '',
      each.federated?.fairness['accuracy']?.worst.value ?? '',
      each.central?.['loss'] ?? '',
      each.central?.['accuracy'] ?? '',
    ].join(','),
  );
  const head =
    'round,attempts,clients,used,quarantined,step_norm,train_loss,federated_loss,federated_accuracy,worst_accuracy,central_loss,central_accuracy';
  return [head, ...rows].join('\n');
}

type Round = z.infer<typeof roundsSchema>['rounds'][number];

async function roundsOf(client: CoordinatorClient, id: string): Promise<Result<Round[]>> {
  const rounds: Round[] = [];
  for (;;) {
    const after = rounds.at(-1)?.round ?? 0;
    const page = await client.get(`${pathOf(id)}/rounds?after=${after}`, roundsSchema);
    if (!page.ok) return page;
    rounds.push(...page.value.rounds);
    if (page.value.rounds.length === 0) return ok(rounds);
  }
}

const plottedOf = ({ round, metrics, central, federated, epsilon }: Round): PlottedRound => ({
  round,
  metrics,
  central,
  federated,
  ...(epsilon === undefined ? {} : { epsilon }),
});

type HeldOut = NonNullable<RunPlan['heldOut']>;

const pathsOf = (files: string): readonly [string, string] => {
  const [images = '', labels = ''] = files.split(',');
  return [images, labels];
};

async function refsOf(files: string | undefined): Promise<Result<HeldOut | undefined>> {
  if (files === undefined) return ok(undefined);
  try {
    const [images, labels] = pathsOf(files).map((path) => {
      const bytes = readFileSync(path);
      return { digest: sha256(bytes), bytes: bytes.byteLength };
    });
    return images === undefined || labels === undefined
      ? err(failure('invalid_argument', '--held-out takes IMAGES,LABELS'))
      : ok({ images, labels });
  } catch (thrown) {
    return err(failure('not_found', messageOf(thrown)));
  }
}

async function sendHeldOut(
  call: Call<unknown>,
  { heldOut }: RunPlan,
  files: string | undefined,
): Promise<Result<void>> {
  if (heldOut === undefined || files === undefined) return ok(undefined);
  const [images, labels] = pathsOf(files);
  const bar = createProgressBar(call.errorIsTerminal ? call.printError : undefined);
  for (const [ref, path] of [
    [heldOut.images, images],
    [heldOut.labels, labels],
  ] as const) {
    const sent = await uploadFile(ref, path, { ...call, random: createSystemRandom() }, (moved) =>
      bar.show('held-out examples', moved, ref.bytes),
    );
    bar.clear();
    if (!sent.ok) return sent;
  }
  return ok(undefined);
}

function readPlanFile(path: string, heldOut: Result<HeldOut | undefined>): Result<RunPlan> {
  if (!heldOut.ok) return heldOut;
  try {
    const bytes = readFileSync(path);
    if (bytes.byteLength > planBytesMax)
      return err(failure('too_large', `${path}: at most ${planBytesMax} bytes`));
    const json = parseJson(bytes, path);
    if (!json.ok) return json;
    const given = typeof json.value === 'object' ? json.value : {};
    const plan = runPlanSchema.safeParse(
      heldOut.value === undefined ? json.value : { ...given, heldOut: heldOut.value },
    );
    return plan.success
      ? ok(plan.data)
      : err(failure('invalid_argument', describeIssues(plan.error, 'the plan')));
  } catch (thrown) {
    return err(failure('not_found', messageOf(thrown)));
  }
}

const pathOf = (id: string): string => `/v1/learn/${encodeURIComponent(id)}`;
