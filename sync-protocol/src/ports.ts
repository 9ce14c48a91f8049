// What the protocol needs from the world. Each port has a contract suite in testing/.

import type { Result } from '@skerry/shared';
import type {
  Answer,
  DownBody,
  DownOp,
  Escalation,
  Exchange,
  Reply,
  UpBody,
  UpOp,
} from './messages.ts';

export interface SyncPosition {
  readonly device: string;
  /** This incarnation of the device's store. */
  readonly epoch: string;
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
  /** Unacknowledged ops, oldest first, within both bounds; at least one if there is one. */
  unacknowledged(opsMax: number, bytesMax: number): readonly UpOp[];
  /**
   * In one transaction: forgets ops with seq ≤ ack, runs `effect` for each op past the cursor in order, moves the
   * cursor. A reply of another epoch changes nothing. Returns the ops that were applied. If `effect` throws, nothing
   * has changed and it throws on.
   */
  apply(reply: Reply, effect: (op: DownOp) => void): Result<readonly DownOp[]>;
}

export interface Accepted {
  /** Ops of this Exchange that were new, in order. */
  readonly fresh: readonly UpOp[];
  /** Highest seq of this epoch that is durable. */
  readonly ack: number;
}

/** An escalation that has been accepted and has no answer yet. */
export interface OpenEscalation {
  readonly device: string;
  readonly body: Escalation;
}

/** An accepted op of another kind that its consumer has not dealt with. */
export interface OpenOp {
  /** Rises by arrival, over all devices. */
  readonly id: number;
  readonly device: string;
  readonly atMs: number;
  readonly body: UpBody;
}

/** The coordinator's durable half. Asynchronous, as a database server is. */
export interface CoordinatorStore {
  /**
   * In one transaction: stores the ops not seen before, by (device, epoch, seq), forgets the device's down ops
   * at or before its cursor, and sees to it that the device's next position is above that cursor.
   */
  accept(exchange: Exchange, nowMs: number): Promise<Result<Accepted>>;
  /** Down ops of a device after `cursor`, oldest first. */
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
   */
  openOps(kind: UpBody['kind'], opsMax: number): Promise<Result<readonly OpenOp[]>>;
  /** The consumer has made the ops' consequences durable. Closing one twice is harmless. */
  closeOps(ids: readonly number[]): Promise<Result<void>>;
  /** The oldest open escalations: what a coordinator that starts again has still to answer. */
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
