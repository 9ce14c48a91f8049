// The frames that have come to a follower, out of its store and into its replicas: changes, a save in parts, or the hub's
// document in place of ours. What is refused is put aside with the reason, and asked for again.

import { type Clock, type Log, messageOf, ok, type Result } from '@skerry/shared';
import { type Content, type Heads, isRefusal } from './engine.ts';
import type { Following } from './following.ts';
import {
  areOfOneSave,
  type DigestOf,
  decodeFrame,
  type Frame,
  type FrameContent,
  joinParts,
  withPart,
} from './frame.ts';
import type { DocumentLog } from './log.ts';
import type { Replica } from './replica.ts';

/** A frame that has come, and is durable; `position` is its op's. */
export interface InboxFrame {
  readonly position: number;
  readonly document: string;
  readonly frame: Uint8Array;
}

/** What lies beside the log, in the database whose transactions move the cursor. Synchronous, as those are. */
export interface FollowerStore {
  /** Inside the transaction that applies the op. Drops the oldest of too many: the hub is asked again. */
  receive(frame: InboxFrame): void;
  /** Oldest first. */
  received(): readonly InboxFrame[];
  forget(positions: readonly number[]): void;
  /** What the hub has shown to have, in the document's present epoch. */
  hubHeads(document: string): Heads;
  noteHubHeads(document: string, heads: Heads): void;
}

export interface TakeReceivedPorts {
  readonly replica: Pick<Replica, 'state' | 'integrate' | 'known' | 'save' | 'replace'>;
  readonly log: Pick<DocumentLog, 'quarantine'>;
  readonly store: FollowerStore;
  /** Whom it follows. A relay only brings changes: it replaces no replica. [RLY3] */
  readonly of: 'coordinator' | 'relay';
  readonly digestOf: DigestOf;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly trace: Log;
}

/** What it changes of the follower's. */
export interface TakeReceivedParts {
  readonly following: ReadonlyMap<string, Following>;
  /** Something may have to be sent for it now. */
  readonly due: (document: string) => void;
  readonly closed: () => boolean;
}

/** Refusals in a row after which own edits are only quarantined, and not made again. */
const refusalsMax = 3;

/** The parts of one save that have come so far, and where. */
interface Group {
  readonly positions: number[];
  parts: FrameContent[];
}

/** Takes all that has come. Whether some of it has to be taken again, for a reason that passes. */
export function createTakeReceived(
  { replica, log, store, of, digestOf, clock, trace }: TakeReceivedPorts,
  { following, due, closed }: TakeReceivedParts,
): () => Promise<boolean> {
  const quarantine = async (
    document: string,
    reason: string,
    bytes: Uint8Array = new Uint8Array(),
  ): Promise<void> => {
    trace.warn({ document, reason }, 'a document frame was refused');
    await log.quarantine({ document, source: of, reason, bytes, atMs: clock.nowMs() });
  };

  const ask = (document: string): void => {
    const state = following.get(document);
    if (state === undefined) return;
    state.asks = true;
    due(document);
  };

  /** [DOC9, DOC10] The hub's document takes the place of ours, and our own unsynced edits are made again in it. */
  const replace = async (
    { document, epoch, heads, replaces }: Frame,
    save: Uint8Array,
    state: Following,
  ): Promise<Result<unknown>> => {
    const basis = [...(replaces?.basis ?? []), ...store.hubHeads(document)];
    if (replaces?.refused !== undefined) {
      state.refusals++;
      const old = await replica.save(document);
      await quarantine(document, `refused: ${replaces.refused}`, old.ok ? old.value : undefined);
    }
    const replays = state.refusals < refusalsMax;
    let replaced = replays ? await replica.replace(document, epoch, save, basis) : undefined;
    if (replaced === undefined || (!replaced.ok && isRefusal(replaced.error))) {
      const mine = await replica.state(document);
      if (!mine.ok) return mine;
      replaced = await replica.replace(document, epoch, save, mine.value.heads);
    }
    if (replaced.ok) {
      store.noteHubHeads(document, heads);
      trace.info({ document, epoch, replayed: replaced.value.replayed }, 'document replaced');
    }
    return replaced;
  };

  /** Of the replica's own epoch. False where it has to be taken again. */
  const integrate = async (
    { document, heads, replaces }: Frame,
    content: Content | { readonly kind: 'nothing' },
    state: Following,
  ): Promise<boolean> => {
    const integrated =
      content.kind === 'nothing'
        ? ok({ missing: false })
        : await replica.integrate(document, content, heads, 'all');
    if (!integrated.ok) {
      if (!isRefusal(integrated.error)) return false;
      await quarantine(document, integrated.error.message);
    } else if (integrated.value.missing) state.asks = true;
    else if (replaces === undefined) state.refusals = 0;
    const known = await replica.known(document, heads);
    if (known.ok) store.noteHubHeads(document, known.value);
    if (known.ok && known.value.length < heads.length && content.kind === 'nothing')
      state.asks = true;
    return true;
  };

  /** False where it has to be taken again: nothing has happened. */
  const take = async (
    frame: Frame,
    content: Content | { readonly kind: 'nothing' },
  ): Promise<boolean> => {
    const { document, epoch, replaces, answers } = frame;
    const state = following.get(document);
    if (state === undefined) return true; // A site that we have left.
    const mine = await replica.state(document);
    if (!mine.ok) return false;
    if (replaces !== undefined && of === 'relay') {
      await quarantine(document, 'a relay replaces no replica');
      return true;
    }
    if (replaces !== undefined && content.kind === 'save' && mustReplace(frame, mine.value.epoch)) {
      const replaced = await replace(frame, content.save, state);
      if (!replaced.ok) return isRefusal(replaced.error);
    } else if (epoch === mine.value.epoch) {
      if (!(await integrate(frame, content, state))) return false;
    } else if (epoch > mine.value.epoch || of === 'coordinator') {
      // The hub will tell what to start from; or its disk went back in time, and it learns of our epoch. [DOC17]
      state.asks = true;
    }
    if (answers !== undefined && answers === state.underWay?.id) state.underWay = undefined;
    due(document);
    return true;
  };

  /** [QUA4] What it throws at would be the first again after every restart. */
  const takeOrPutAside = (...frame: Parameters<typeof take>): Promise<boolean> =>
    take(...frame).catch(async (thrown) => {
      const [{ document }] = frame;
      await quarantine(document, messageOf(thrown));
      ask(document);
      return true;
    });

  /** With one more part: the save, once it is whole, is taken. Whether it has to be taken again. */
  const takePart = async (
    groups: Map<string, Group>,
    frame: Frame,
    position: number,
  ): Promise<boolean> => {
    const { document, content } = frame;
    let group = groups.get(document);
    const first = group?.parts[0];
    if (group === undefined || first === undefined || !areOfOneSave(first, content)) {
      if (group !== undefined) store.forget(group.positions); // It will not be completed any more.
      group = { positions: [], parts: [] };
      groups.set(document, group);
    }
    group.positions.push(position);
    group.parts = withPart(group.parts, content);
    const save = joinParts(group.parts, digestOf);
    if (save.ok && save.value === undefined) return false;
    groups.delete(document);
    const taken =
      save.ok && save.value
        ? await takeOrPutAside(frame, { kind: 'save', save: save.value })
        : true;
    if (!save.ok) ask(document);
    if (taken) store.forget(group.positions);
    return !taken;
  };

  return async () => {
    const groups = new Map<string, Group>();
    let again = false;
    for (const { position, document, frame: bytes } of store.received()) {
      if (closed()) break;
      const decoded = decodeFrame(bytes, digestOf);
      if (!decoded.ok || decoded.value.document !== document) {
        const reason = decoded.ok ? 'a frame of another document' : decoded.error.message;
        await quarantine(document, reason, bytes);
        store.forget([position]);
        ask(document);
        continue;
      }
      const frame = decoded.value;
      if (frame.content.kind === 'part') again = (await takePart(groups, frame, position)) || again;
      else if (await takeOrPutAside(frame, frame.content)) store.forget([position]);
      else again = true;
    }
    return again;
  };
}

/** A later epoch; or, in the same one, a replica that the hub has refused. */
const mustReplace = ({ epoch, replaces }: Frame, mine: number): boolean =>
  epoch > mine || (epoch === mine && replaces?.refused !== undefined);
