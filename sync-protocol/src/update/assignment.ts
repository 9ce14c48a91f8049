// What one device should run, as the director signs it (Uptane standard 2.0 §5.3.2, there "Director repository").
// A goal and no command: it holds all that is to be, so the newest replaces those before it, and to take one twice
// changes nothing. It travels in a DSSE envelope. Durations and no times of day, for a device may have no clock: they
// count from the moment at which the device has taken the assignment; to activate, from when it could.

import {
  describeIssues,
  digestSchema,
  err,
  failure,
  nameSchema,
  ok,
  parseJson,
  type Result,
} from '@skerry/shared';
import { z } from 'zod';
import { blobRefSchema } from '../blobs/blob.ts';

/** DSSE `payloadType`. */
export const assignmentPayloadType = 'application/vnd.skerry.assignment+json';
/** Of the envelope, as it travels in one op. */
export const assignmentBytesMax = 64 * 1024;

export const assignedModelsMax = 16;
/** Of one model. */
export const deltaOffersMax = 32;
export const quarantinedMax = 256;

const shareSchema = z.number().min(0).max(1);
const durationMsSchema = z.int().min(0).max(31_536_000_000);

/** Not before `afterMs`, and then at a moment of its own within `windowMs`: so a fleet does not come at once. */
const windowSchema = z.strictObject({ afterMs: durationMsSchema, windowMs: durationMsSchema });

/** Of the device's wall clock, UTC. A window may reach past midnight. */
const maintenanceSchema = z.strictObject({
  /** 0 is Sunday. */
  days: z.array(z.int().min(0).max(6)).min(1).max(7),
  fromMinute: z.int().min(0).max(1439),
  minutes: z.int().min(1).max(1440),
});

/** The candidate runs on live inputs beside the incumbent, and answers nobody. */
const shadowSchema = z.strictObject({
  runsMin: z.int().min(1).max(1_000_000),
  /** Of the runs whose label is the incumbent's; below it the candidate is not activated. */
  agreementMin: shareSchema,
  /** Of the requests at most so many run twice. */
  shareMax: shareSchema,
  /** What the runs may cost. */
  millijoulesMax: z.number().positive().max(1e12).optional(),
  /** A shadow run begins only while the model's queue would not be longer than this for it. */
  latencyMsMax: z.number().positive().max(600_000),
});

/** What the device judges by itself, the cloud being away; each against the incumbent's own figures. */
const healthLimitsSchema = z.strictObject({
  /** Of failed requests, absolute. */
  failureShareMax: shareSchema,
  /** p95 over the incumbent's p95. */
  latencyRatioMax: z.number().min(1).max(1_000),
  memoryBytesMax: z.int().positive().optional(),
  /** By how much the share of answers that the device gave by itself may differ from the incumbent's. */
  exitShareDropMax: shareSchema,
  /** By how much the share of cloud answers that disagree may exceed the incumbent's. */
  disagreementRiseMax: shareSchema,
});
export type HealthLimits = z.infer<typeof healthLimitsSchema>;

const soakSchema = z.strictObject({
  forMs: durationMsSchema,
  /** Fewer do not confirm: the soak goes on until its timeout, which confirms nothing either. */
  requestsMin: z.int().min(0).max(1_000_000),
  limits: healthLimitsSchema,
});

/** Each state that is not final ends by one of these, with a reason. */
const timeoutsSchema = z.strictObject({
  fetchMs: durationMsSchema.min(1_000),
  shadowMs: durationMsSchema.min(1_000),
  activateMs: durationMsSchema.min(1_000),
  soakMs: durationMsSchema.min(1_000),
});

/** How to come from a file that the device may hold to one that it shall. */
const deltaOfferSchema = z.strictObject({
  /** Absent: the target by itself, compressed. */
  base: digestSchema.optional(),
  target: digestSchema,
  blob: blobRefSchema,
});
export type DeltaOffer = z.infer<typeof deltaOfferSchema>;

export const modelAssignmentSchema = z.strictObject({
  model: nameSchema,
  version: z.string().min(1).max(64),
  /** Of the TUF repository: it must name the same manifest. */
  target: z.string().min(1).max(256),
  /** The bundle's manifest.json, whose sha256 names the bundle as a whole. */
  bundle: blobRefSchema,
  /** The build; absent: the bundle's first that fits the device. */
  variant: nameSchema.optional(),
  /** Why it is assigned; absent: it is what the fleet runs, or an operator's word for this one device. */
  rollout: z.strictObject({ id: nameSchema, wave: z.int().nonnegative() }).optional(),
  deltas: z.array(deltaOfferSchema).max(deltaOffersMax),
  fetch: windowSchema,
  activate: windowSchema,
  maintenance: maintenanceSchema.optional(),
  /** On a link that is metered: `wait` for another. */
  metered: z.enum(['wait', 'allow']),
  shadow: shadowSchema.optional(),
  soak: soakSchema,
  timeouts: timeoutsSchema,
  /** A comparison: the device finds its arm by `armOf`, and in `control` it keeps what it runs and reports on that. */
  experiment: z.strictObject({ id: nameSchema, candidateShare: z.number().gt(0).lt(1) }).optional(),
});
export type ModelAssignment = z.infer<typeof modelAssignmentSchema>;

export const assignmentSchema = z.strictObject({
  schema: z.literal('skerry.assignment/1'),
  device: nameSchema,
  /** Rises with each assignment of this device: what does not rise is a replay. */
  counter: z.int().positive(),
  /** The director's clock, Unix time in ms: to the device an attested time. */
  issuedMs: z.int().nonnegative(),
  /** `stop`: nothing is begun, and what is not confirmed goes back. For an emergency; needs no rollout. */
  mode: z.enum(['run', 'stop']),
  models: z.array(modelAssignmentSchema).max(assignedModelsMax),
  /** Bundles that must not run, whatever else is said. Whoever runs one goes back to its other slot at once. */
  quarantined: z.array(digestSchema).max(quarantinedMax),
  /** The TUF repository's metadata in one file, for who reaches no HTTP. */
  metadata: blobRefSchema.optional(),
});
export type Assignment = z.infer<typeof assignmentSchema>;

/** Fails with `malformed_message`. Call it with bytes whose signature has been verified. */
export function readAssignment(payload: Uint8Array): Result<Assignment> {
  const json = parseJson(payload, 'assignment', 'malformed_message');
  if (!json.ok) return json;
  const parsed = assignmentSchema.safeParse(json.value);
  if (!parsed.success)
    return err(failure('malformed_message', describeIssues(parsed.error, 'the assignment')));
  return ok(parsed.data);
}
