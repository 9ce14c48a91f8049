// The tables, as Kysely sees them. One schema for every dialect; migrations.ts makes it.

import type { Lane, Suspicion } from '@skerry/sync-protocol';
import type { Generated } from 'kysely';
import type { OperatorRole } from '../fleet/operators.ts';
import type { DocumentSchema } from './document-schema.ts';

/** The epochs of each device that have been heard. */
interface IncarnationTable {
  /** Rises by first word. */
  id: Generated<number>;
  device: string;
  epoch: string;
}

/** How far each lane of an epoch has been read. */
interface MarkTable {
  device: string;
  epoch: string;
  lane: Lane;
  /** Highest seq that is durable; whatever is at or below it has been seen. */
  seq: number;
}

/** The last Exchange of each device: see the protocol's sighting.ts. */
interface SightingTable {
  device: string;
  boot: number;
  epoch: string;
  cursor: number;
  urgent: number;
  normal: number;
  bulk: number;
  turns: number;
}

/** Disks that went back in time or ran twice, for the operator. */
interface SuspicionTable {
  device: string;
  kind: Suspicion;
  times: number;
  first_ms: number;
  last_ms: number;
}

/** Ops that their consumer refused for good. */
interface QuarantineTable {
  /** Rises by what was put aside last. */
  id: Generated<number>;
  device: string;
  kind: string;
  reason: string;
  at_ms: number;
  body: Uint8Array;
}

/** Escalations without an answer: accepted from a device, and the coordinator's to answer. */
interface EscalationTable {
  /** Rises by arrival. */
  id: Generated<number>;
  device: string;
  request_id: string;
  body: Uint8Array;
}

/** Accepted ops of other kinds, until their consumer has dealt with them. */
interface UpOpTable {
  /** Rises by arrival, and is given once. */
  id: Generated<number>;
  device: string;
  kind: string;
  at_ms: number;
  body: Uint8Array;
}

/** The last position given to a device. It outlives the ops, so that no position is ever given twice. */
interface DownPositionTable {
  device: string;
  position: number;
}

interface DownOpTable {
  device: string;
  position: number;
  at_ms: number;
  /** Its share of a message's room. */
  bytes: number;
  body: Uint8Array;
}

interface DeviceTable {
  device: string;
  epoch: string;
  first_seen_ms: number;
  last_seen_ms: number;
  /** DeviceStatus as JSON, where the device has sent one. */
  status: string | null;
}

/** Join tokens, by the hash of their secret. */
interface JoinTokenTable {
  sha256: string;
  device: string | null;
  site: string | null;
  expires_ms: number;
  /** The hash of the public key that has used it. */
  spent_by: string | null;
}

interface CertificateTable {
  serial: string;
  device: string;
  /** Of those issued before it was kept: none. */
  site: string | null;
  /** Which of the device's enrolments it comes from, itself or by renewals. Of those issued before it was kept: 0. */
  enrolment: number;
  key_sha256: string;
  not_after_ms: number;
  revoked_ms: number | null;
}

/** Audits of one day, counted. */
interface AuditTable {
  /** Since the Unix epoch. */
  day: number;
  device: string;
  model: string;
  version: string;
  variant: string;
  exit: number;
  audited: number;
  disagreed: number;
}

/** Logs of events, each a name of one kind: rollouts, what the registry has done. */
interface EventLogTable {
  /** Rises by first event. */
  id: Generated<number>;
  kind: string;
  name: string;
}

interface EventTable {
  log: number;
  /** 0, 1, … in its log. */
  place: number;
  event: string;
}

/** What each device was last told to run. */
interface AssignmentTable {
  device: string;
  counter: number;
  /** Of the down op that says so; 0 before it is there. */
  position: number;
  /** JSON. */
  assignment: string;
  issues: string;
}

/** What each device was last told of each learning run. */
interface LearnTaskTable {
  device: string;
  run: string;
  /** Of the task: which round and attempt, and what is asked. */
  name: string;
  /** Of the down op that says so; 0 before it is there. */
  position: number;
}

/** Who may use the operator's routes by a token of their own. */
interface OperatorTable {
  name: string;
  role: OperatorRole;
  sha256: string;
  since_ms: number;
}

/** Turns of conversations that devices share. `thread`: a hash of whose it is, and its name. */
interface ConversationTurnTable {
  scope: string;
  thread: string;
  turn: string;
  at_ms: number;
  bytes: number;
  /** JSON. */
  record: string;
}

/** What was forgotten of them. `turn` is empty of a whole conversation, which is gone up to `until_ms`. */
interface ConversationGoneTable {
  scope: string;
  thread: string;
  turn: string;
  until_ms: number;
  kept_ms: number;
}

/** Who has copies of them. */
interface ConversationCopyTable {
  scope: string;
  thread: string;
  device: string;
  kept_ms: number;
}

export interface Schema extends DocumentSchema {
  operator: OperatorTable;
  conversation_turn: ConversationTurnTable;
  conversation_gone: ConversationGoneTable;
  conversation_copy: ConversationCopyTable;
  event_log: EventLogTable;
  event: EventTable;
  assignment: AssignmentTable;
  learn_task: LearnTaskTable;
  join_token: JoinTokenTable;
  certificate: CertificateTable;
  incarnation: IncarnationTable;
  mark: MarkTable;
  sighting: SightingTable;
  suspicion: SuspicionTable;
  quarantine: QuarantineTable;
  escalation: EscalationTable;
  up_op: UpOpTable;
  down_position: DownPositionTable;
  down_op: DownOpTable;
  device: DeviceTable;
  audit: AuditTable;
}
