// What the database says of a model's update, checked: a disk may be damaged at rest, and another agent may have written
// it. What cannot be read is left out: at worst the model begins again from its factory's bundle, and it always begins.

import { blobRefSchema } from '@skerry/sync-protocol/blobs';
import { type Health, healthSchema, modelAssignmentSchema } from '@skerry/sync-protocol/update';
import { z } from 'zod';
import type { Reading } from '../update/odometer.ts';
import {
  contentOf,
  initialUpdate,
  type ModelUpdate,
  type ReasonCode,
  reasonCodes,
} from '../update/update-record.ts';

const slotSchema = z.enum(['a', 'b']);
const placeSchema = z.enum(['a', 'b', 'factory']);
const contentSchema = z.looseObject({
  bundle: z.string(),
  version: z.string(),
  variant: z.string(),
  confirmed: z.literal(true).optional(),
});
const momentSchema = z.looseObject({ ranMs: z.number(), passedMs: z.number() });
const readingSchema = momentSchema.extend({ wallMs: z.number() });
const reasonSchema = z.looseObject({
  code: z.enum(Object.keys(reasonCodes) as [ReasonCode, ...ReasonCode[]]),
  message: z.string(),
});
const aboutSchema = z.looseObject({
  bundle: z.string(),
  version: z.string(),
  counter: z.number(),
  attempt: z.number(),
  rollout: z.string().optional(),
});
const goalSchema = aboutSchema.extend({
  terms: modelAssignmentSchema,
  issuedMs: z.number(),
  taken: momentSchema,
  fetchDelayMs: z.number(),
  activateDelayMs: z.number(),
  arm: z.string().optional(),
  metadata: blobRefSchema.optional(),
});
const evidenceSchema = z.looseObject({
  health: healthSchema.optional(),
  baseline: healthSchema.optional(),
});
const movedSchema = z.looseObject({
  bytes: z.number(),
  fullBytes: z.number(),
  way: z.string(),
});
const underWay = { goal: goalSchema, since: momentSchema };
const held = { ...underWay, slot: placeSchema, moved: movedSchema };
const ended = { goal: aboutSchema, since: momentSchema, reason: reasonSchema };
const kind = <K extends string, S extends z.ZodRawShape>(name: K, shape: S) =>
  z.looseObject({ kind: z.literal(name), ...shape });

const stateSchema = z.discriminatedUnion('kind', [
  kind('idle', {}),
  kind('assigned', { ...underWay, evidence: evidenceSchema.optional() }),
  kind('fetching', underWay),
  kind('verified', { ...held, slot: slotSchema, content: contentSchema }),
  kind('staged', held),
  kind('shadowing', held),
  kind('activating', { ...held, evidence: evidenceSchema }),
  kind('soaking', { ...held, evidence: evidenceSchema, restarts: z.number().optional() }),
  kind('confirmed', { ...underWay, moved: movedSchema, evidence: evidenceSchema }),
  kind('rolled-back', { ...ended, goal: goalSchema, ran: z.boolean(), evidence: evidenceSchema }),
  kind('refused', ended),
  kind('stopped', ended),
  kind('quarantined', ended),
]);

const bundlesSchema = z.array(z.string());
const attemptsSchema = z.array(
  z.looseObject({ bundle: z.string(), rollout: z.string().optional(), count: z.number() }),
);
const slotsSchema = z.looseObject({
  a: contentSchema.optional(),
  b: contentSchema.optional(),
});

/** Undefined: there is nothing to keep. */
export function readUpdateRecord(text: string | undefined): ModelUpdate | undefined {
  const json = parsed(text);
  if (json === undefined) return undefined;
  const none = initialUpdate(undefined);
  /** As it was written, where it is what it should be. */
  const field = <K extends keyof ModelUpdate>(
    name: K,
    schema: z.ZodType,
  ): ModelUpdate[K] | undefined =>
    schema.safeParse(json[name]).success ? (json[name] as ModelUpdate[K]) : undefined;
  const state = field('state', stateSchema);
  const previous = field('previous', placeSchema);
  const looped = field('looped', bundlesSchema);
  const kept: ModelUpdate = {
    state: state ?? none.state,
    slots: field('slots', slotsSchema) ?? none.slots,
    factory: field('factory', contentSchema),
    active: field('active', placeSchema) ?? none.active,
    attempts: field('attempts', attemptsSchema) ?? none.attempts,
    quarantined: field('quarantined', bundlesSchema) ?? none.quarantined,
    forbidden: field('forbidden', bundlesSchema) ?? none.forbidden,
    ...(previous === undefined ? {} : { previous }),
    ...(looped === undefined ? {} : { looped }),
  };
  const running = kept.active === 'factory' ? undefined : contentOf(kept, kept.active);
  // A candidate whose soak is not known any more would never be judged; and an empty slot runs nothing.
  const isKnown = running !== undefined && (state !== undefined || running.confirmed === true);
  return kept.active === 'factory' || isKnown
    ? kept
    : { ...kept, state: none.state, active: 'factory' };
}

export function readReading(text: string | null | undefined): Reading | undefined {
  const read = readingSchema.safeParse(parsed(text));
  return read.success ? read.data : undefined;
}

/** By bundle; of those that can be read. */
export function readHealth(text: string | undefined): Readonly<Record<string, Health>> {
  const kept = Object.entries(parsed(text) ?? {}).filter(
    (entry): entry is [string, Health] => healthSchema.safeParse(entry[1]).success,
  );
  return Object.fromEntries(kept);
}

function parsed(text: string | null | undefined): Readonly<Record<string, unknown>> | undefined {
  try {
    const json: unknown = text == null ? undefined : JSON.parse(text);
    return typeof json === 'object' && json !== null && !Array.isArray(json)
      ? (json as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
