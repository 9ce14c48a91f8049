// The messages between a device and the coordinator. SPEC.md holds the rules that they obey.
// The zod schemas are the wire format's one source; codec.ts turns them into CBOR (RFC 8949) and back.

import { digestSchema, exchangeOpsMax, nameSchema, requestDeadlineMsMax } from '@skerry/shared';
import { z } from 'zod';
import { blobRefSchema } from './blobs/blob.ts';
import { learnReplySchema, learnStatusSchema, learnTaskSchema } from './learn/messages.ts';
import { laneOf, lanes } from './op-kinds.ts';
import { questionSchema, saidSchema } from './text/question.ts';
import { forgetSchema, turnSchema } from './text/turn.ts';
import { assignmentBytesMax } from './update/assignment.ts';
import { updateReportSchema, updateStates } from './update/report.ts';

/** dialects.ts says what each version lacks. */
export const protocolVersion = 5;

const bytesSchema = z.custom<Uint8Array>((v) => v instanceof Uint8Array, 'expected bytes');
const countSchema = z.int().nonnegative();

/** A tensor on the wire: row-major, little-endian, never JSON. */
const wireTensorSchema = z
  .strictObject({
    name: z.string().max(256),
    datatype: z.string().max(16),
    shape: z.array(countSchema).max(8),
    codec: z.enum(['raw', 'deflate']),
    data: bytesSchema,
    /** Holds the bytes that do not fit a message; `data` is empty then. */
    blob: blobRefSchema.optional(),
  })
  .refine(({ data, blob }) => blob === undefined || data.length === 0, 'expected bytes or a blob');
export type WireTensor = z.infer<typeof wireTensorSchema>;

/** A question the device was not sure of, with all that the cloud can need: the cloud never asks back. */
const escalationSchema = z.strictObject({
  kind: z.literal('escalation'),
  /** Unique over all devices and time; the answer carries it. */
  requestId: z.string().min(1).max(64),
  model: nameSchema,
  version: z.string().max(64),
  /** Digest of the variant that computed `input`: the cloud's half must be of the same variant. */
  variant: digestSchema,
  /** The stage that takes `input`. */
  stage: nameSchema,
  input: wireTensorSchema,
  /** What the device would answer by itself. */
  local: z.strictObject({ exit: z.int().positive(), label: countSchema, confidence: z.number() }),
  /**
   * How long an app waits; answers after it are late but still wanted. 0 where none waits. In the outbox: when appended.
   * Not refused where it says more than anybody may wait, for older devices had no such bound. [EXC5]
   */
  deadlineLeftMs: z
    .number()
    .nonnegative()
    .transform((ms) => Math.min(ms, requestDeadlineMsMax)),
  /**
   * The device has answered for good, from this exit or from what it has learned: how often the cloud disagrees measures
   * the true risk.
   */
  audit: z.enum(['exit', 'cache']).optional(),
});
export type Escalation = z.infer<typeof escalationSchema>;

/** What the cloud found out about one escalation, or why it could not. */
const answerSchema = z.strictObject({
  kind: z.literal('answer'),
  requestId: z.string().min(1).max(64),
  outcome: z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('answered'),
      exit: z.int().positive(),
      label: countSchema,
      confidence: z.number(),
      probabilities: z.array(z.number()).max(100_000),
      variant: digestSchema,
    }),
    z.strictObject({ kind: z.literal('failed'), code: z.string(), message: z.string().max(1000) }),
  ]),
});
export type Answer = z.infer<typeof answerSchema>;

/** A frame's bytes, at most: it leaves room for others in its Exchange. What is larger travels in parts. */
export const documentFrameBytesMax = 64 * 1024;

/** A change of a document's, as a frame that documents/ packs and checks. Travels both ways. */
const documentChangeSchema = z.strictObject({
  kind: z.literal('document-change'),
  /** `device/…`, `site/…` or `fleet/…`. */
  document: z.string().min(1).max(128),
  frame: bytesSchema.refine((b) => b.length <= documentFrameBytesMax, 'a frame too large'),
});
export type DocumentChange = z.infer<typeof documentChangeSchema>;

const telemetryValuesMax = 32;

/** Numbers that the device measured of itself. Worth least: dropped first when room is short. */
const telemetrySchema = z.strictObject({
  kind: z.literal('telemetry'),
  values: z
    .record(z.string().min(1).max(64), z.number())
    .refine((v) => Object.keys(v).length <= telemetryValuesMax, 'too many values'),
});
export type Telemetry = z.infer<typeof telemetrySchema>;

/** What a device says: one member for each kind of fact. */
export const upBodySchema = z.discriminatedUnion('kind', [
  escalationSchema,
  documentChangeSchema,
  telemetrySchema,
  updateReportSchema,
  learnReplySchema,
  questionSchema,
  turnSchema,
  forgetSchema,
]);
export type UpBody = z.infer<typeof upBodySchema>;

const epochSchema = z.string().min(1).max(40);

/** One durable fact from a device. `seq` rises in its kind's lane; (device, epoch, lane, seq) names it for ever. */
const upOpSchema = z.strictObject({
  seq: z.int().positive(),
  /** In which it was appended, where that is not the Exchange's: before a restart. */
  epoch: epochSchema.optional(),
  /** The device's clock when it was appended. */
  atMs: z.number(),
  body: upBodySchema,
});
export type UpOp = z.infer<typeof upOpSchema>;

/** What the device should run: a DSSE envelope in JSON, whose payload is update/assignment.ts's. */
const assignmentOpSchema = z.strictObject({
  kind: z.literal('assignment'),
  envelope: bytesSchema.refine((b) => b.length <= assignmentBytesMax, 'an envelope too large'),
});

/** What the cloud says to a device. */
export const downBodySchema = z.discriminatedUnion('kind', [
  answerSchema,
  documentChangeSchema,
  assignmentOpSchema,
  learnTaskSchema,
  saidSchema,
  forgetSchema,
]);
export type DownBody = z.infer<typeof downBodySchema>;

/** One durable fact for a device. `position` rises; the device's cursor is the last one it has applied. */
const downOpSchema = z.strictObject({
  position: z.int().positive(),
  atMs: z.number(),
  body: downBodySchema,
});
export type DownOp = z.infer<typeof downOpSchema>;

/** A snapshot, not a fact: the newest replaces those before it, so it needs no queue. */
export const deviceStatusSchema = z.strictObject({
  agentVersion: z.string().max(64),
  target: z.string().max(64),
  /** The place whose devices share a document with it. */
  site: nameSchema.optional(),
  /** Words of its own, by which rollouts pick devices. */
  labels: z.array(nameSchema).max(16).optional(),
  models: z
    .array(
      z.strictObject({
        name: nameSchema,
        version: z.string(),
        variant: digestSchema,
        /** sha256 of its manifest.json: the bundle that runs now. */
        bundle: digestSchema.optional(),
        /** The update that is under way, and for what it waits. */
        update: z
          .strictObject({
            bundle: digestSchema,
            state: z.enum(updateStates),
            sinceMs: countSchema,
            waiting: z.string().max(256).optional(),
          })
          .optional(),
        /** Since the agent has started; `atExit` those that its calibration covers. */
        counts: z
          .strictObject({
            answered: countSchema,
            atExit: z.record(z.string().max(32), countSchema),
            degraded: countSchema,
          })
          .optional(),
      }),
    )
    .max(64),
  counts: z.strictObject({
    answered: countSchema,
    atExit: z.record(z.string(), countSchema),
    escalated: countSchema,
    cloudInTime: countSchema,
    degraded: countSchema,
    late: countSchema,
    failed: countSchema,
  }),
  queue: z.strictObject({ ops: countSchema, bytes: countSchema }),
  /** What the outbox had to drop, by kind, and how many ops lie in quarantine. The session fills it in. */
  sync: z
    .strictObject({
      drops: z.record(
        z.string().max(32),
        z.strictObject({ expired: countSchema, evicted: countSchema, overBudget: countSchema }),
      ),
      quarantined: countSchema,
    })
    .optional(),
  /** Forms of a delta that it reads. Since version 5; who says nothing reads the first. */
  deltas: z.array(z.int().positive()).max(16).optional(),
  /** What it could learn from, and whether it may now. Since version 4. */
  learn: learnStatusSchema.optional(),
  /** The latest decisions, newest last; no payload. */
  recent: z
    .array(
      z.strictObject({
        requestId: z.string().max(64),
        atMs: z.number(),
        model: nameSchema,
        source: z.string().max(32),
        label: z.string().max(256),
        confidence: z.number(),
        reason: z.string().max(256),
        latencyMs: z.number(),
      }),
    )
    .max(32),
});
export type DeviceStatus = z.infer<typeof deviceStatusSchema>;

/** A number for each lane of op-kinds.ts. */
const byLaneSchema = z.strictObject({
  urgent: countSchema,
  normal: countSchema,
  bulk: countSchema,
});

/** Every op of this epoch and lane with a seq up to this is durable at the coordinator. */
const ackSchema = z.strictObject({
  epoch: epochSchema,
  lane: z.enum(lanes),
  seq: countSchema,
});
export type Ack = z.infer<typeof ackSchema>;

/** Of how many epochs an Exchange's ops may be, beside the current one: so many boots back in one message. */
export const epochsBackMax = 8;
const acksMax = (1 + epochsBackMax) * lanes.length;

const rises = (numbers: readonly number[]): boolean =>
  numbers.every((n, i) => i === 0 || n > (numbers[i - 1] as number));

const header = { v: z.int().positive(), device: nameSchema, epoch: epochSchema };

const risesByLane = (ops: readonly UpOp[]): boolean =>
  lanes.every((lane) => rises(ops.filter((op) => laneOf(op.body) === lane).map(({ seq }) => seq)));

/** Device → coordinator. A reconnect is the same message with an old cursor. */
const exchangeSchema = z.strictObject({
  ...header,
  type: z.literal('exchange'),
  exchangeId: z.string().min(1).max(64),
  /** The oldest version that this device speaks; `v` is the newest that it may. Read in every version. [VER2] */
  oldest: z.int().positive(),
  /** How often this device's store has been opened. With `assigned`, it tells a disk that went back in time. */
  boot: countSchema,
  /** The highest seq given in each lane. */
  assigned: byLaneSchema,
  /** The last down op that this device has durably applied; 0 before the first. */
  cursor: countSchema,
  /** Unacknowledged ops, by lane and seq, in each lane from the oldest on. */
  ops: z
    .array(upOpSchema)
    .max(exchangeOpsMax)
    .refine(risesByLane, 'expected rising seqs in each lane')
    .refine(
      (ops) => new Set(ops.map((op) => op.epoch)).size <= 1 + epochsBackMax,
      'too many epochs',
    ),
  /** Whether the outbox holds more than this message could. */
  more: z.boolean(),
  status: deviceStatusSchema.optional(),
});
export type Exchange = z.infer<typeof exchangeSchema>;

/** Coordinator → device: the answer to one Exchange. */
const replySchema = z.strictObject({
  ...header,
  type: z.literal('reply'),
  exchangeId: z.string().min(1).max(64),
  acks: z.array(ackSchema).max(acksMax),
  /** The Exchange's cursor: to a store that has not come so far, what follows would leave a gap. [INB4] */
  after: countSchema,
  /** Down ops after it, in order, from the oldest on. */
  ops: z
    .array(downOpSchema)
    .max(exchangeOpsMax)
    .refine((ops) => rises(ops.map((op) => op.position)), 'expected rising positions'),
  more: z.boolean(),
  /** When to exchange again if nothing happens before. */
  nextExchangeMs: countSchema,
  /** For so long send no ops: the coordinator has more to do than it can. 0: no pause. [PAU1] */
  pauseMs: countSchema,
  /** The epoch is another's too (the same memory runs twice, or chance failed): take a new one. [EPO3] */
  newEpoch: z.literal(true).optional(),
});
export type Reply = z.infer<typeof replySchema>;

/** Coordinator → device: there is news; exchange now. May be lost, for the next Exchange brings it anyway. */
const hintSchema = z.strictObject({ v: z.int().positive(), type: z.literal('hint') });
export type Hint = z.infer<typeof hintSchema>;

/** Coordinator → device: it does not speak the Exchange's version, but this message's. */
const versionSchema = z.strictObject({
  v: z.int().positive(),
  type: z.literal('version'),
  device: nameSchema,
  exchangeId: z.string().min(1).max(64),
});
export type VersionAnswer = z.infer<typeof versionSchema>;

export const messageSchema = z.discriminatedUnion('type', [
  exchangeSchema,
  replySchema,
  versionSchema,
  hintSchema,
]);
export type Message = z.infer<typeof messageSchema>;
