// Blobs on their way, one transfer a digest and direction: whoever asks for one that is under way joins it. What has
// arrived is in the store, so a transfer that a restart forgot goes on where it was when somebody asks again.

import {
  assert,
  type Clock,
  err,
  type Failure,
  failure,
  type Log,
  ok,
  type Random,
  type Result,
  type Timer,
} from '@skerry/shared';
import {
  type BlobRef,
  type BlobWire,
  initialTransferState,
  type TransferEvent,
  type TransferState,
  transitionTransfer,
} from '@skerry/sync-protocol/blobs';

type Direction = 'fetch' | 'send';

export interface TransfersConfig {
  /** Moving at once. */
  readonly movingMax: number;
  /** Known and not ended. */
  readonly transfersMax: number;
}

/** What a person sees of a transfer. */
export interface TransferView {
  readonly digest: string;
  readonly bytes: number;
  readonly direction: Direction;
  readonly phase: TransferState['phase']['kind'];
  readonly wire: string;
  readonly movedBytes: number;
  /** Why it waits, or failed. */
  readonly reason?: Failure;
}

export interface Transfers {
  /**
   * ok: whole in the store. Waits out every cut; fails for what waiting cannot mend, and when this closes.
   * @param from 'near': a copy that somebody near has is as good, and asked for first
   */
  fetch(ref: BlobRef, from?: 'near'): Promise<Result<void>>;
  /** ok: the coordinator has confirmed it. */
  send(ref: BlobRef): Promise<Result<void>>;
  /** Nobody waits for it any longer: it ends with `unavailable`, and what has arrived stays. */
  drop(ref: BlobRef): void;
  /** It comes, or has stopped a moment ago and goes on soon. */
  isComing(digest: string): boolean;
  /** Under way, and lately ended. */
  list(): readonly TransferView[];
  /** The link came: what waits need not wait longer. */
  online(): void;
  close(): Promise<void>;
}

export interface TransfersPorts {
  /** In the order in which they are tried; at least one. */
  readonly wires: readonly BlobWire[];
  /** Brings copies. */
  readonly near?: Pick<BlobWire, 'name' | 'fetch'> | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** A wire, in the one direction. */
interface Way {
  readonly name: string;
  readonly move: BlobWire['fetch'];
}

interface Transfer {
  readonly ref: BlobRef;
  readonly direction: Direction;
  readonly ways: readonly Way[];
  readonly copies: boolean;
  readonly ended: Promise<Result<void>>;
  readonly end: (result: Result<void>) => void;
  readonly dropped: AbortController;
  state: TransferState;
  movedBytes: number;
  timer?: Timer;
}

const endedKeptMax = 32;
/** Of a transfer that whoever wants a copy may wait for: more tries in vain, and its link is away. */
const hopefulAttemptsMax = 2;

export function createTransfers(
  { wires, near, clock, random, log }: TransfersPorts,
  { movingMax, transfersMax }: TransfersConfig,
): Transfers {
  assert(wires.length > 0, 'there is a wire');
  const open = new Map<string, Transfer>();
  const ended: TransferView[] = [];
  const closing = new AbortController();
  const moving = new Set<Promise<void>>();

  const handle = (transfer: Transfer, event: TransferEvent): void => {
    if (closing.signal.aborted) return;
    if (transfer.dropped.signal.aborted) {
      admit();
      return;
    }
    const { state, starts } = transitionTransfer(transfer.state, event, {
      nowMs: clock.monotonicMs(),
      draw: random.uint32(),
      wires: transfer.ways.length,
      copies: transfer.copies,
    });
    transfer.state = state;
    rearm(transfer);
    if (starts) start(transfer);
    if (event.kind === 'cut' || event.kind === 'arrived') settle(transfer);
    admit();
  };

  /** After each event, for a timer may fire a little early. */
  const rearm = (transfer: Transfer): void => {
    transfer.timer?.cancel();
    const { phase } = transfer.state;
    if (phase.kind !== 'waiting') return;
    const waitMs = Math.ceil(Math.max(0, phase.untilMs - clock.monotonicMs()));
    transfer.timer = clock.after(waitMs, () => handle(transfer, { kind: 'tick' }));
  };

  const start = (transfer: Transfer): void => {
    const { move } = transfer.ways[transfer.state.wire] as Way;
    const onMoved = (bytes: number): void => {
      transfer.movedBytes += bytes;
      handle(transfer, { kind: 'gained' });
    };
    const signal = AbortSignal.any([closing.signal, transfer.dropped.signal]);
    const moved = move(transfer.ref, onMoved, signal).then((result) => {
      moving.delete(moved);
      handle(transfer, result.ok ? { kind: 'arrived' } : { kind: 'cut', failure: result.error });
    });
    moving.add(moved);
  };

  const settle = (transfer: Transfer): void => {
    const { phase } = transfer.state;
    const view = viewOf(transfer);
    log.info({ ...view, reason: view.reason?.message }, 'blob transfer');
    if (phase.kind === 'waiting' || phase.kind === 'moving') return;
    open.delete(keyOf(transfer.direction, transfer.ref));
    ended.push(view);
    if (ended.length > endedKeptMax) ended.shift();
    transfer.end(phase.kind === 'failed' ? err(phase.reason) : ok(undefined));
  };

  const admit = (): void => {
    for (const transfer of open.values()) {
      if (moving.size >= movingMax) return;
      if (transfer.state.phase.kind === 'queued') handle(transfer, { kind: 'admitted' });
    }
  };

  const viewOf = ({ ref, direction, ways, state, movedBytes }: Transfer): TransferView => ({
    ...ref,
    direction,
    phase: state.phase.kind,
    wire: (ways[state.wire] as Way).name,
    movedBytes,
    ...('reason' in state.phase ? { reason: state.phase.reason } : {}),
  });

  const ask = (direction: Direction, ref: BlobRef, from?: 'near'): Promise<Result<void>> => {
    const known = open.get(keyOf(direction, ref));
    if (known !== undefined) return known.ended;
    if (closing.signal.aborted) return Promise.resolve(err(closedFailure));
    if (open.size >= transfersMax)
      return Promise.resolve(err(failure('overloaded', `${open.size} transfers are under way`)));
    let end: Transfer['end'] = () => {};
    const promise = new Promise<Result<void>>((resolve) => {
      end = resolve;
    });
    const state = initialTransferState;
    const copy = from === 'near' && near !== undefined ? [wayOf(near, 'fetch')] : [];
    const transfer: Transfer = {
      ref,
      direction,
      ways: [...copy, ...wires.map((wire) => wayOf(wire, direction))],
      copies: copy.length > 0,
      ended: promise,
      end,
      dropped: new AbortController(),
      state,
      movedBytes: 0,
    };
    open.set(keyOf(direction, ref), transfer);
    admit();
    return promise;
  };

  return {
    fetch: (ref, from) => ask('fetch', ref, from),
    send: (ref) => ask('send', ref),
    drop(ref) {
      const transfer = open.get(keyOf('fetch', ref));
      if (transfer === undefined) return;
      transfer.timer?.cancel();
      open.delete(keyOf('fetch', ref));
      transfer.dropped.abort();
      transfer.end(err(failure('unavailable', 'nobody waits for it any longer')));
    },
    isComing: (digest) =>
      [...open.values()].some(({ ref, direction, copies, state: { phase, wire, attempt } }) => {
        if (ref.digest !== digest || direction !== 'fetch') return false;
        // Two that ask each other for a copy must not wait for each other.
        if (copies && wire === 0) return phase.kind === 'moving' && phase.gained;
        return phase.kind !== 'waiting' || attempt <= hopefulAttemptsMax;
      }),
    list: () => [...ended, ...[...open.values()].map(viewOf)],
    online() {
      for (const transfer of [...open.values()]) handle(transfer, { kind: 'online' });
    },
    async close() {
      closing.abort();
      for (const transfer of open.values()) {
        transfer.timer?.cancel();
        transfer.end(err(closedFailure));
      }
      open.clear();
      await Promise.all(moving);
    },
  };
}

const wayOf = <D extends Direction>(wire: Pick<BlobWire, 'name' | D>, direction: D): Way => ({
  name: wire.name,
  move: wire[direction].bind(wire),
});

const closedFailure = failure('unavailable', 'transfers are closed');
const keyOf = (direction: Direction, { digest, bytes }: BlobRef): string =>
  `${direction} ${digest} ${bytes}`;
