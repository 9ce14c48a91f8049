// `skerry rollout …` and `skerry rollback`.

import { readFileSync } from 'node:fs';
import { digestSchema, err, failure, messageOf, ok, parseJson, type Result } from '@skerry/shared';
import { z } from 'zod';
import {
  fleetViewSchema,
  type RolloutView,
  rolloutListSchema,
  rolloutViewSchema,
} from '../http/rollout-views.ts';
import type { RolloutPlan } from '../update/rollouts/index.ts';
import { type Answer, type Call, defineCommand } from './command.ts';
import { drawRollout, drawRollouts } from './draw-rollout.ts';
import { makePlan, planFlags, readPlan } from './make-plan.ts';
import { watchView } from './watch-view.ts';

const planBytesMax = 4 * 1024 * 1024;

export const by = z
  .string()
  .min(1)
  .max(128)
  .optional()
  .describe('who asks; by default this system’s user');
const reason = z
  .string()
  .min(1)
  .max(512)
  .default('an operator’s order')
  .describe('for the log, and for whoever asks why');
export const orderFlags = z.strictObject({ reason, by });
const none = z.strictObject({});

export const orderOf = ({ flags, user }: Call<z.output<typeof orderFlags>>) => ({
  reason: flags.reason,
  by: flags.by ?? user,
});

/** It makes deltas first, and reads the whole fleet. */
const createWithinMs = 180_000;

export const rolloutCommands = {
  'rollout create': defineCommand({
    about: 'moves the fleet to a version, in waves: by PLAN.json, or by flags',
    operands: '[PLAN.json]',
    flags: planFlags.extend({
      by,
      dryRun: z.boolean().default(false).describe('prints the plan, and begins nothing'),
      watch: z.boolean().default(false).describe('and watches it to its end'),
    }),
    async run(call) {
      const [path] = call.operands;
      const { dryRun, by: asker, watch, ...flags } = call.flags;
      const plan = path === undefined ? makePlan(flags) : readPlanFile(path);
      if (!plan.ok) return plan;
      if (dryRun) return ok({ text: JSON.stringify(plan.value, undefined, 2), value: plan.value });
      const query = new URLSearchParams({ by: asker ?? call.user });
      const created = await call.client.send(
        'POST',
        `/v1/rollouts?${query}`,
        plan.value,
        rolloutViewSchema,
        createWithinMs,
      );
      if (!created.ok) return created;
      return watch ? watchRollout(call, created.value.id) : shown(created);
    },
  }),

  'rollout list': defineCommand({
    about: 'the latest rollouts, the newest first',
    operands: '',
    flags: none,
    async run({ client }) {
      const list = await client.get('/v1/rollouts', rolloutListSchema);
      return list.ok ? ok({ text: drawRollouts(list.value.rollouts), value: list.value }) : list;
    },
  }),

  'rollout show': defineCommand({
    about: 'the waves, the evidence, and why it stands where it stands',
    operands: 'ROLLOUT',
    flags: none,
    run: async ({ client, operands: [id = ''] }) =>
      shown(await client.get(pathOf(id), rolloutViewSchema)),
  }),

  'rollout watch': defineCommand({
    about: 'the same, live, until it is over; 1 where it was not completed',
    operands: 'ROLLOUT',
    flags: none,
    run: (call) => watchRollout(call, call.operands[0] ?? ''),
  }),

  'rollout approve': defineCommand({
    about: 'lets the wave begin that waits for somebody’s yes',
    operands: 'ROLLOUT',
    flags: z.strictObject({ by }),
    run: async ({ client, user, flags, operands: [id = ''] }) =>
      shown(
        await client.send(
          'POST',
          `${pathOf(id)}/approve`,
          { by: flags.by ?? user },
          rolloutViewSchema,
        ),
      ),
  }),

  'rollout pause': orderCommand('pause', 'nothing further begins'),
  'rollout resume': orderCommand('resume', 'goes on after a pause'),
  'rollout abort': orderCommand('abort', 'ends it; who has confirmed keeps it, all others go back'),

  rollback: defineCommand({
    about: 'turns every device back, also those that had confirmed, and quarantines the bundle',
    operands: '[ROLLOUT]',
    flags: orderFlags.extend({
      bundle: digestSchema.optional().describe('instead of a rollout: sha256:… of its manifest'),
    }),
    async run(call) {
      const [id] = call.operands;
      const { bundle } = call.flags;
      if ((id === undefined) === (bundle === undefined))
        return err(failure('invalid_argument', 'name a ROLLOUT, or a --bundle'));
      const order = orderOf(call);
      if (id !== undefined)
        return shown(
          await call.client.send('POST', `${pathOf(id)}/rollback`, order, rolloutViewSchema),
        );
      const ruled = await call.client.send(
        'POST',
        '/v1/fleet/quarantine',
        { ...order, bundle },
        fleetViewSchema,
      );
      if (!ruled.ok) return ruled;
      const text = `${bundle} is quarantined: whoever runs it goes back to its other slot`;
      return ok({ text, value: ruled.value });
    },
  }),
} as const;

function orderCommand(order: 'pause' | 'resume' | 'abort', about: string) {
  return defineCommand({
    about,
    operands: 'ROLLOUT',
    flags: orderFlags,
    run: async (call) =>
      shown(
        await call.client.send(
          'POST',
          `${pathOf(call.operands[0] ?? '')}/${order}`,
          orderOf(call),
          rolloutViewSchema,
        ),
      ),
  });
}

function shown(view: Result<RolloutView>): Result<Answer> {
  return view.ok ? ok({ text: drawRollout(view.value), value: view.value }) : view;
}

function readPlanFile(path: string): Result<RolloutPlan> {
  try {
    const bytes = readFileSync(path);
    if (bytes.byteLength > planBytesMax)
      return err(failure('too_large', `${path}: at most ${planBytesMax} bytes`));
    const json = parseJson(bytes, path);
    return json.ok ? readPlan(json.value) : json;
  } catch (thrown) {
    return err(failure('not_found', messageOf(thrown)));
  }
}

const over: ReadonlySet<string> = new Set(['completed', 'aborted', 'rolled-back']);

/** Bad where it has not been completed. */
const watchRollout = (call: Call<unknown>, id: string): Promise<Result<Answer>> =>
  watchView(call, {
    path: `${pathOf(id)}/events`,
    schema: rolloutViewSchema,
    draw: drawRollout,
    endOf({ phase: { kind } }) {
      if (!over.has(kind)) return undefined;
      return kind === 'completed' ? 'good' : 'bad';
    },
  });

const pathOf = (id: string): string => `/v1/rollouts/${encodeURIComponent(id)}`;
