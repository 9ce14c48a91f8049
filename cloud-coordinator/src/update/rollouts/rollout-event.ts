// What can happen to a rollout and to the fleet's rules. The log of these is all that is known: who folds it over the
// transition has the state, today and in a year, so a verdict can be examined. They are read from disk: a border.

import { digestSchema, nameSchema } from '@skerry/shared';
import { blobRefSchema } from '@skerry/sync-protocol/blobs';
import { healthSchema, quarantinedMax, updateStates } from '@skerry/sync-protocol/update';
import { z } from 'zod';
import { foldedSchema } from '../../event-log/folding.ts';
import { rolloutPlanSchema, wavesMax } from './rollout-plan.ts';

/** Of one event: what is more becomes several. */
export const devicesPerEventMax = 500;

const atMsSchema = z.int().nonnegative();
const bySchema = z.string().min(1).max(128);
const reasonSchema = z.string().max(512);
const many = <Item extends z.ZodType>(item: Item) => z.array(item).min(1).max(devicesPerEventMax);

/** As the registry has resolved it: what an assignment says of a bundle. */
const bundleRefSchema = z.strictObject({
  version: z.string().min(1).max(64),
  target: z.string().min(1).max(256),
  bundle: blobRefSchema,
});
export type BundleRef = z.infer<typeof bundleRefSchema>;

/** A wave as it was fixed at creation: who is selected and lies below the mark, and belongs to none before it. */
const fixedWaveSchema = z.strictObject({
  where: rolloutPlanSchema.shape.select.unwrap(),
  below: z.number().min(0).max(1),
  approval: z.boolean(),
  /** How many it had when it was fixed. */
  size: z.int().nonnegative(),
});
export type Wave = z.infer<typeof fixedWaveSchema>;

const evidenceSchema = z.strictObject({
  sign: z.string().max(64),
  /** `suspected`: beyond its limit as far as seen, which may yet be chance. */
  finding: z.enum(['harm', 'suspected', 'none-shown', 'no-harm-proven', 'too-few']),
  /** Answers or devices that it rests on. */
  trials: z.number().nonnegative(),
  devices: z.int().nonnegative(),
  candidate: z.number().optional(),
  incumbent: z.number().optional(),
  /** Of the candidate's share, or of how far it exceeds the incumbent's: valid however often one looks. */
  lower: z.number(),
  upper: z.number(),
  limit: z.number(),
  /** Clopper–Pearson of the candidate's own share, for the eye: it holds for one look alone. */
  exact: z.strictObject({ lower: z.number(), upper: z.number() }).optional(),
});
export type Evidence = z.infer<typeof evidenceSchema>;

const countSchema = z.int().nonnegative();
export const tallySchema = z.strictObject({
  members: countSchema,
  waiting: countSchema,
  underWay: countSchema,
  succeeded: countSchema,
  failed: countSchema,
  refused: countSchema,
  /** Told and not taken, or away: they count neither way. */
  unreachable: countSchema,
  /** They ran it before, are the other arm of an experiment, or went back: nothing is expected of them. */
  exempt: countSchema,
});
export type Tally = z.infer<typeof tallySchema>;

export const verdictSchema = z.strictObject({
  verdict: z.enum(['promote', 'hold', 'pause', 'rollback']),
  reasons: z.array(reasonSchema).max(16),
  evidence: z.array(evidenceSchema).max(32),
  /** Of the wave. */
  tally: tallySchema,
});
export type Verdict = z.infer<typeof verdictSchema>;

export const rolloutEventSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('created'),
    atMs: atMsSchema,
    by: bySchema,
    plan: rolloutPlanSchema,
    candidate: bundleRefSchema,
    waves: z.array(fixedWaveSchema).min(1).max(wavesMax),
  }),
  z.strictObject({
    kind: z.literal('joined'),
    atMs: atMsSchema,
    members: many(
      z.strictObject({
        device: nameSchema,
        site: nameSchema,
        wave: countSchema,
        online: z.boolean(),
        /** What it ran then. */
        running: digestSchema.optional(),
      }),
    ),
  }),
  z.strictObject({ kind: z.literal('approved'), atMs: atMsSchema, by: bySchema }),
  z.strictObject({
    kind: z.enum(['paused', 'resumed', 'aborted', 'rollback-ordered']),
    atMs: atMsSchema,
    by: bySchema,
    reason: reasonSchema,
  }),
  z.strictObject({
    kind: z.literal('issued'),
    atMs: atMsSchema,
    issues: many(
      z.strictObject({
        device: nameSchema,
        goal: z.enum(['candidate', 'previous']),
        fetchAtMs: atMsSchema,
        activateAtMs: atMsSchema,
      }),
    ),
  }),
  z.strictObject({
    kind: z.literal('reported'),
    atMs: atMsSchema,
    reports: many(
      z.strictObject({
        device: nameSchema,
        /** The op's id, which rises with each of a device: what is read twice counts once. */
        op: countSchema,
        state: z.enum(updateStates),
        /** The reason's, by which a try that is made again is told from an end. */
        code: z.string().max(64).optional(),
        reason: reasonSchema.optional(),
        running: digestSchema.optional(),
        arm: z.enum(['control', 'candidate']).optional(),
        health: healthSchema.optional(),
        baseline: healthSchema.optional(),
      }),
    ),
  }),
  /** A heartbeat said something new. */
  z.strictObject({
    kind: z.literal('heard'),
    atMs: atMsSchema,
    devices: many(
      z.strictObject({
        device: nameSchema,
        online: z.boolean(),
        running: digestSchema.optional(),
        /** When it said so. */
        seenMs: atMsSchema,
      }),
    ),
  }),
  /** Time has passed for these: who had not begun was not reached, who had has failed, who shall go back is told again. */
  z.strictObject({ kind: z.literal('lapsed'), atMs: atMsSchema, devices: many(nameSchema) }),
  /** The gate has spoken, and not `hold`. */
  z.strictObject({
    kind: z.literal('judged'),
    atMs: atMsSchema,
    wave: countSchema,
    verdict: verdictSchema,
  }),
  /** The rollout itself has waited too long where it stands. */
  z.strictObject({ kind: z.literal('timed-out'), atMs: atMsSchema }),
]);
export type RolloutEvent = z.infer<typeof rolloutEventSchema>;

/** Of claims that are young enough to matter. */
export const claimsMax = 256;

/** What holds for every device, with or without a rollout. */
export const fleetEventSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.enum(['quarantined', 'released']),
    atMs: atMsSchema,
    by: bySchema,
    bundle: digestSchema,
    reason: reasonSchema,
  }),
  /** The next rollout of the model is this one: of two that are begun at once one is. */
  z.strictObject({
    kind: z.literal('claimed'),
    atMs: atMsSchema,
    by: bySchema,
    model: nameSchema,
    rollout: nameSchema,
  }),
  z.strictObject({
    kind: z.enum(['stopped', 'resumed']),
    atMs: atMsSchema,
    by: bySchema,
    reason: reasonSchema,
  }),
  /** What all before it has come to. [ROL30] */
  z.strictObject({
    kind: z.literal('folded'),
    folded: foldedSchema,
    quarantined: z
      .array(z.strictObject({ bundle: digestSchema, reason: reasonSchema }))
      .max(quarantinedMax),
    stopped: z.strictObject({ by: bySchema, reason: reasonSchema, atMs: atMsSchema }).optional(),
    claims: z
      .array(z.strictObject({ model: nameSchema, rollout: nameSchema, atMs: atMsSchema }))
      .max(claimsMax),
  }),
]);
export type FleetEvent = z.infer<typeof fleetEventSchema>;
