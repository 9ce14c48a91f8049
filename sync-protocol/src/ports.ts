// What the protocol needs from the world. Each port has a contract suite in testing/.

import type { Result } from '@skerry/shared';
import type {
  Ack,
  Answer,
  DownBody,
  DownOp,
  Escalation,
  Exchange,
  Reply,
  UpBody,
  UpOp,
} from './messages.ts';
import type { ByLane, WithdrawableKind } from './op-kinds.ts';
import type { DropsByKind } from './outbox-plan.ts';

export interface SyncPosition {
  readonly device: string;
  /** This incarnation of the device's store: from one opening to the next. */
  readonly epoch: string;
  /** How often the store has been opened. */
  readonly boot: number;
  /** The highest seq given in each lane. */
  readonly assigned: ByLane<number>;
  readonly drops: DropsByKind;
  /** Ops that were put into quarantine, ever. */
  readonly quarantined: number;
  /** The last down op applied. */
  readonly cursor: number;
  /** Unacknowledged ops and their encoded bytes. */
  readonly ops: number;
  readonly bytes: number;
}

/** The device's durable half: outbox and inbox in one transactional store. Synchronous, as SQLite is. */
export interface DeviceStore {
  position(): SyncPosition;
  /**
   * Appends an op and runs `effect` in the same transaction; durable when it returns.
   * Fails with `overloaded` when the outbox is at its bound, `too_large` or `invalid_argument` when the op could
   * never be sent, `storage_failed` when the disk refuses. If `effect` throws, nothing has changed and it throws on.
   */
  append(body: UpBody, atMs: number, effect?: () => void): Result<number>;
  /** Unacknowledged ops, in each lane oldest first, within both bounds; at least one if there is one. */
  unacknowledged(opsMax: number, bytesMax: number, turn?: number): readonly UpOp[];
  /**
   * In one transaction: forgets the ops that are acknowledged, runs `effect` for each op past the cursor in order,
   * moves the cursor. Ops that begin after a cursor which this store has not reached are left alone. Returns the ops
   * that were applied. An effect that refuses for good puts its op into quarantine and leaves nothing else behind; one
   * that refuses for now (`retryable`) fails the whole. If `effect` throws, nothing has changed and it throws on.
   */
  apply(reply: Reply, effect: DownEffect): Result<readonly DownOp[]>;
  /** Drops what is older than its kind's time to live, and counts it. Returns how many. */
  expire(nowMs: number): Result<number>;
  /** Ops that nobody shall have any more: gone, unless they are under way. Returns how many. */
  withdraw(kind: WithdrawableKind, isMeant: (body: UpBody) => boolean): Result<number>;
  /** Begins a new epoch; what is unacknowledged of the old one is queued again under the new. */
  renew(): Result<void>;
}

/** The durable consequences of one op, made inside the transaction that applies it. */
export type DownEffect = (op: DownOp) => Result<void> | void;

export interface Accepted {
  /** Ops of this Exchange that were new, in order. */
  readonly fresh: readonly UpOp[];
  /** How far the current epoch, and each that an op names, is durable in each lane. */
  readonly acks: readonly Ack[];
  /** The device's seqs are behind what was acknowledged in this very epoch: its ops were not taken. [EPO3] */
  readonly newEpoch: boolean;
  readonly suspicion?: Suspicion;
}

/** `restored`: the device's disk went back in time. `cloned`: two devices run by one name. */
export type Suspicion = 'restored' | 'cloned';

/** How often a device gave cause for one, and when first and last. */
export interface SuspicionRecord {
  readonly device: string;
  readonly kind: Suspicion;
  readonly times: number;
  readonly firstMs: number;
  readonly lastMs: number;
}

/** An escalation that has been accepted and has no answer yet. */
export interface OpenEscalation {
  readonly device: string;
  readonly body: Escalation;
}

/** An accepted op of another kind that its consumer has not dealt with. */
export interface OpenOp {
  /** Rises by arrival, over all devices, and is given once. */
  readonly id: number;
  readonly device: string;
  readonly atMs: number;
  readonly body: UpBody;
}

/** The coordinator's durable half. Asynchronous, as a database server is. */
export interface CoordinatorStore {
  /**
   * In one transaction: stores the ops not seen before, by (device, epoch, lane, seq), forgets the device's down ops
   * at or before its cursor, and sees to it that the device's next position is above that cursor.
   */
  accept(exchange: Exchange, nowMs: number): Promise<Result<Accepted>>;
  /** Down ops of a device after `cursor`, oldest first. One that cannot be read is quarantined, here and below. [QUA5] */
  downOpsAfter(
    device: string,
    cursor: number,
    opsMax: number,
    bytesMax: number,
  ): Promise<Result<{ readonly ops: readonly DownOp[]; readonly more: boolean }>>;
  /**
   * In one transaction: closes the escalation that `body` answers and gives the op the device's next position, which
   * it returns. `undefined` if that escalation is closed already, or unknown: nothing has changed.
   * Fails with `too_large` or `invalid_argument` when the op could never be sent.
   */
  appendDown(device: string, body: Answer, nowMs: number): Promise<Result<number | undefined>>;
  /** Gives any op the device's next position, which it returns. Fails as `appendDown` does. */
  append(device: string, body: DownBody, nowMs: number): Promise<Result<number>>;
  /**
   * Accepted ops of one kind that wait for their consumer, oldest first. Telemetry is not kept: it is handed to
   * `onAccepted` alone.
   * @param after those with a higher id alone
   */
  openOps(kind: UpBody['kind'], opsMax: number, after?: number): Promise<Result<readonly OpenOp[]>>;
  /** The consumer has made the ops' consequences durable. Closing one twice is harmless. */
  closeOps(ids: readonly number[]): Promise<Result<void>>;
  /** The consumer will never take this op: it leaves the queue, with the reason. The newest are kept for an operator. */
  quarantineOp(id: number, reason: string, nowMs: number): Promise<Result<void>>;
  /** Ops in quarantine. */
  quarantined(): Promise<Result<number>>;
  /** What these devices gave cause for, ever: counted in the transaction that noticed it. */
  suspicions(devices: readonly string[]): Promise<Result<readonly SuspicionRecord[]>>;
  /**
   * The oldest open escalations: what a coordinator that starts again has still to answer. One that cannot be read is
   * answered as failed.
   */
  openEscalations(opsMax: number): Promise<Result<readonly OpenEscalation[]>>;
}

/** The device's pipe to the coordinator. Promises nothing: what it carries may be lost, repeated or reordered. */
export interface DeviceTransport {
  /** Resolves when the pipe has taken the bytes or dropped them; it never queues. */
  send(message: Uint8Array): Promise<Result<void>>;
  connected(): boolean;
  /** At most one listener of each kind. */
  onMessage(listener: (message: Uint8Array) => void): void;
  onConnection(listener: (connected: boolean) => void): void;
  close(): Promise<void>;
}

/** The coordinator's end of the pipe. `device` is whom the pipe says it is; the handler checks that the message agrees. */
export interface CoordinatorTransport {
  onMessage(listener: (device: string, message: Uint8Array) => void): void;
  /** A device's link came up or was lost, where the pipe can tell. */
  onPresence(listener: (device: string, online: boolean) => void): void;
  send(device: string, message: Uint8Array): Promise<Result<void>>;
  close(): Promise<void>;
}
