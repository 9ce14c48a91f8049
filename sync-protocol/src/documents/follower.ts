// The device's half of documents: keeps its replicas in step with a hub, over ops that may take weeks. It holds no list of
// what it has sent: what the hub lacks is what lies past the heads that the hub has last shown. So a frame that is lost,
// refused or evicted, and a disk that went back in time, mend themselves with the next one; and however many edits were
// made meanwhile, one frame, or one save in parts, is under way at a time.

import { type Clock, type Log, messageOf, ok, type Result, type Timer } from '@skerry/shared';
import type { DocumentChange } from '../messages.ts';
import { type Content, type Heads, isRefusal } from './engine.ts';
import {
  areOfOneSave,
  contentOf,
  type DigestOf,
  decodeFrame,
  encodeFrame,
  type Frame,
  type FrameContent,
  joinParts,
  withPart,
} from './frame.ts';
import type { DocumentLog } from './log.ts';
import { type Replica, sameHeads } from './replica.ts';

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

export interface FollowerPorts {
  readonly replica: Replica;
  readonly log: Pick<DocumentLog, 'quarantine'>;
  readonly store: FollowerStore;
  readonly documents: readonly string[];
  /** Whom it follows. A relay only brings changes: it replaces no replica. [RLY3] */
  readonly of: 'coordinator' | 'relay';
  /** Appends to the outbox; returns the op's seq. */
  readonly append: (body: DocumentChange) => Result<number>;
  /** Whether that op has left the outbox. */
  readonly acknowledged: (seq: number) => boolean;
  readonly digestOf: DigestOf;
  readonly clock: Clock;
  readonly frameId: () => number;
  readonly trace: Log;
}

export interface Follower {
  /** A document may have been edited. */
  changed(document: string): void;
  /** Frames have been received. */
  arrived(): void;
  /** Resolves when nothing more can be done now. */
  idle(): Promise<void>;
  close(): void;
}

/** Frames received and not integrated: a save in parts of each document, and some. */
export const inboxFramesMax = 512;
/** How often it is looked whether a frame that nobody answers was taken. */
const pollMs = 5_000;
/** An answer that does not come so long after its frame was acknowledged will not come: something was lost. */
const answerMsMax = 20_000;
const againMsMax = 600_000;
/** Refusals in a row after which own edits are only quarantined, and not made again. */
const refusalsMax = 3;

interface UnderWay {
  readonly id: number;
  readonly seq: number;
  acknowledgedMs?: number;
}

interface Following {
  /** Show the hub our heads, whatever it has: it will tell what we lack. */
  asks: boolean;
  underWay?: UnderWay | undefined;
  refusals: number;
  /** The heads shown last; the same ones are not shown again before `againMs`, which waits longer each time. */
  shown: Heads;
  repeats: number;
  againMs: number;
}

export function createFollower(ports: FollowerPorts): Follower {
  const { replica, store, digestOf, clock, trace } = ports;
  const following = new Map<string, Following>(
    // [DOC8] A start always asks: whatever was under way when the process ended is forgotten.
    ports.documents.map((document) => [
      document,
      { asks: true, refusals: 0, shown: [], repeats: 0, againMs: Number.NEGATIVE_INFINITY },
    ]),
  );
  const due = new Set<string>(ports.documents);
  /** A frame could not be taken for a reason that passes. */
  let again = false;
  let frames = true; // Whatever was received before the start is still to be integrated.
  let working: Promise<void> | undefined;
  let timer: Timer | undefined;
  let closed = false;

  const work = async (): Promise<void> => {
    while (!closed && (frames || due.size > 0)) {
      if (frames) {
        frames = false;
        again = false;
        await integrateReceived();
      }
      const [document] = due;
      if (document !== undefined) {
        due.delete(document);
        await offer(document);
      }
    }
  };

  const wake = (): void => {
    working ??= work()
      .catch(stumble)
      .finally(() => {
        working = undefined;
        const waits =
          again || [...following.values()].some((f) => f.asks || f.underWay !== undefined);
        timer?.cancel();
        timer = waits && !closed ? clock.after(pollMs, lookAgain) : undefined;
        if (!closed && (frames || due.size > 0)) wake();
      });
  };

  /** A full disk, or a bug: what has come lies in the store, and what else there is the hub is asked for again. */
  const stumble = (thrown: unknown): void => {
    trace.error({ reason: messageOf(thrown) }, 'documents cannot be kept in step');
    again = true;
    frames = false;
    due.clear();
    for (const state of following.values()) state.asks = true;
  };

  const lookAgain = (): void => {
    for (const [document, state] of following)
      if (state.asks || state.underWay !== undefined) due.add(document);
    frames ||= again;
    wake();
  };

  /** Sends what the hub lacks, unless something is under way. */
  const offer = async (document: string): Promise<void> => {
    const state = following.get(document);
    if (state === undefined || isUnderWay(state)) return;
    const replicaState = await replica.state(document);
    const lacking = await replica.since(document, store.hubHeads(document));
    if (!replicaState.ok || !lacking.ok) {
      state.asks = true; // Tried again by the timer.
      return;
    }
    if (lacking.value.length === 0 && !state.asks) return;
    if (!mayShow(state, replicaState.value.heads)) {
      state.asks = true;
      return;
    }
    const contents = await contentOf(lacking.value, () => replica.save(document), digestOf);
    if (!contents.ok) {
      trace.error({ document, code: contents.error.code }, contents.error.message);
      return;
    }
    const { epoch, heads } = replicaState.value;
    const id = ports.frameId();
    let seq = 0;
    for (const content of contents.value) {
      const frame = encodeFrame({ document, epoch, heads: [...heads], id, content }, digestOf);
      const sent = frame.ok
        ? ports.append({ kind: 'document-change', document, frame: frame.value })
        : frame;
      if (!sent.ok) {
        state.asks = true;
        trace.warn({ document, code: sent.error.code }, `not sent: ${sent.error.message}`);
        return;
      }
      seq = sent.value;
    }
    state.asks = false;
    state.underWay = { id, seq };
  };

  /** [DOC11] What has been shown and changed nothing is shown again ever more rarely. */
  const mayShow = (state: Following, heads: Heads): boolean => {
    const nowMs = clock.monotonicMs();
    const again = sameHeads(state.shown, heads);
    if (again && nowMs < state.againMs) return false;
    state.repeats = again ? state.repeats + 1 : 0;
    state.shown = heads;
    state.againMs = nowMs + Math.min(againMsMax, pollMs * 2 ** Math.min(state.repeats, 20));
    return true;
  };

  const isUnderWay = (state: Following): boolean => {
    const sent = state.underWay;
    if (sent === undefined) return false;
    if (sent.acknowledgedMs === undefined) {
      if (ports.acknowledged(sent.seq)) sent.acknowledgedMs = clock.monotonicMs();
      return true;
    }
    if (clock.monotonicMs() - sent.acknowledgedMs < answerMsMax) return true;
    state.underWay = undefined;
    state.asks = true;
    return false;
  };

  const integrateReceived = async (): Promise<void> => {
    const begun = new Map<string, { positions: number[]; parts: FrameContent[] }>();
    for (const { position, document, frame: bytes } of store.received()) {
      if (closed) return;
      const frame = decodeFrame(bytes, digestOf);
      if (!frame.ok || frame.value.document !== document) {
        await quarantine(
          document,
          frame.ok ? 'a frame of another document' : frame.error.message,
          bytes,
        );
        store.forget([position]);
        ask(document);
        continue;
      }
      const { content } = frame.value;
      if (content.kind !== 'part') {
        if (await takeOrPutAside(frame.value, content)) store.forget([position]);
        else again = true;
        continue;
      }
      let group = begun.get(document);
      const first = group?.parts[0];
      if (group === undefined || first === undefined || !areOfOneSave(first, content)) {
        if (group !== undefined) store.forget(group.positions); // It will not be completed any more.
        group = { positions: [], parts: [] };
        begun.set(document, group);
      }
      group.positions.push(position);
      group.parts = withPart(group.parts, content);
      const save = joinParts(group.parts, digestOf);
      if (save.ok && save.value === undefined) continue;
      begun.delete(document);
      const taken =
        save.ok && save.value
          ? await takeOrPutAside(frame.value, { kind: 'save', save: save.value })
          : true;
      if (!save.ok) ask(document);
      if (taken) store.forget(group.positions);
      else again = true;
    }
  };

  const ask = (document: string): void => {
    const state = following.get(document);
    if (state === undefined) return;
    state.asks = true;
    due.add(document);
  };

  /** [QUA4] What it throws at would be the first again after every restart. */
  const takeOrPutAside = (...frame: Parameters<typeof take>): Promise<boolean> =>
    take(...frame).catch(async (thrown) => {
      const [{ document }] = frame;
      await quarantine(document, messageOf(thrown), new Uint8Array());
      ask(document);
      return true;
    });

  /** False where it has to be taken again: nothing has happened. */
  const take = async (
    frame: Frame,
    content: Content | { readonly kind: 'nothing' },
  ): Promise<boolean> => {
    const { document, epoch, heads, replaces, answers } = frame;
    const state = following.get(document);
    if (state === undefined) return true; // A site that we have left.
    const mine = await replica.state(document);
    if (!mine.ok) return false;
    if (replaces !== undefined && ports.of === 'relay') {
      await quarantine(document, 'a relay replaces no replica', new Uint8Array());
      return true;
    }
    if (replaces !== undefined && content.kind === 'save' && mustReplace(frame, mine.value.epoch)) {
      const replaced = await replace(frame, content.save, state);
      if (!replaced.ok) return isRefusal(replaced.error);
    } else if (epoch === mine.value.epoch) {
      const integrated =
        content.kind === 'nothing'
          ? ok({ missing: false })
          : await replica.integrate(document, content, heads, 'all');
      if (!integrated.ok) {
        if (!isRefusal(integrated.error)) return false;
        await quarantine(document, integrated.error.message, new Uint8Array());
      } else if (integrated.value.missing) state.asks = true;
      else if (replaces === undefined) state.refusals = 0;
      const known = await replica.known(document, heads);
      if (known.ok) store.noteHubHeads(document, known.value);
      if (known.ok && known.value.length < heads.length && content.kind === 'nothing')
        state.asks = true;
    } else if (epoch > mine.value.epoch) state.asks = true; // The hub will tell what to start from.
    if (answers !== undefined && answers === state.underWay?.id) state.underWay = undefined;
    due.add(document);
    return true;
  };

  /** [DOC9, DOC10] The hub's document takes the place of ours, and our own unsynced edits are made again in it. */
  const replace = async (
    frame: Frame,
    save: Uint8Array,
    state: Following,
  ): Promise<Result<unknown>> => {
    const { document, epoch, heads, replaces } = frame;
    const basis = [...(replaces?.basis ?? []), ...store.hubHeads(document)];
    if (replaces?.refused !== undefined) {
      state.refusals++;
      const old = await replica.save(document);
      await quarantine(
        document,
        `refused: ${replaces.refused}`,
        old.ok ? old.value : new Uint8Array(),
      );
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

  const quarantine = async (document: string, reason: string, bytes: Uint8Array): Promise<void> => {
    trace.warn({ document, reason }, 'a document frame was refused');
    await ports.log.quarantine({ document, source: ports.of, reason, bytes, atMs: clock.nowMs() });
  };

  wake();
  return {
    changed(document) {
      due.add(document);
      wake();
    },
    arrived() {
      frames = true;
      wake();
    },
    async idle() {
      while (working !== undefined) await working;
    },
    close() {
      closed = true;
      timer?.cancel();
    },
  };
}

/** A later epoch; or, in the same one, a replica that the hub has refused. */
const mustReplace = ({ epoch, replaces }: Frame, mine: number): boolean =>
  epoch > mine || (epoch === mine && replaces?.refused !== undefined);
