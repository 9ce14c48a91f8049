// The middle of documents: holds the replica that others follow, judges what they send, and passes it on. It knows of
// each member what that one has, and has at most one piece of news under way to it: a member that is away for weeks
// costs one op, and gets what it lacks, or a save, when it has taken that.

import { type Clock, err, failure, type Log, ok, type Result } from '@skerry/shared';
import type { DocumentChange } from '../messages.ts';
import { documentBounds, parseDocumentId, writableBy } from './document.ts';
import { type Content, type Heads, isRefusal } from './engine.ts';
import {
  authorOf,
  contentOf,
  type DigestOf,
  decodeFrame,
  encodeFrame,
  type Frame,
  type FrameContent,
  joinParts,
  partsOf,
  withPart,
} from './frame.ts';
import type { DocumentLog } from './log.ts';
import { type DocumentState, type DocumentView, type Replica, sameHeads } from './replica.ts';
import { type RetentionLimits, retentionLimits, whyBeginEpoch } from './retention.ts';
import { createTurns } from './turns.ts';

/** What the hub knows of one device that shares a document. */
export interface Member {
  readonly document: string;
  readonly device: string;
  /** The epoch and heads it will have when it has taken all that was appended for it. */
  readonly epoch: number;
  readonly heads: Heads;
  /** The last heads of its own that are in the hub's replica, and the epoch they are of. */
  readonly basisEpoch: number;
  readonly basis: Heads;
  /** The position of the last news appended for it. */
  readonly position: number;
}

export interface MemberStore {
  load(): Promise<Result<readonly Member[]>>;
  save(member: Member): Promise<Result<void>>;
  remove(document: string, device: string): Promise<Result<void>>;
}

export interface HubPorts {
  readonly replica: Replica;
  readonly log: Pick<DocumentLog, 'quarantine'>;
  readonly members: MemberStore;
  /** Appends a down op; returns its position. */
  readonly append: (device: string, body: DocumentChange) => Promise<Result<number>>;
  /** There is news for a device that has not said yet whether it took the last: ask it to exchange. */
  readonly nudge?: (device: string) => void;
  readonly digestOf: DigestOf;
  readonly clock: Clock;
  readonly trace: Log;
  /**
   * Whether a device's certificate is of that site. Absent where devices have none: then whoever names a site is of it.
   * [DOC15]
   */
  readonly isOfSite?: (device: string, site: string) => Promise<Result<boolean>>;
  /**
   * Of a site's relay: the one document that it passes on. Which history goes on, and whose replica is replaced, stays
   * the coordinator's to say. [RLY3, RLY4]
   */
  readonly relays?: string;
  /** A frame was refused. Must not throw. */
  readonly onRefused?: (document: string, device: string, reason: string) => void;
}

export interface HubLimits extends RetentionLimits {
  readonly membersMax: number;
  /** Saves that arrive in parts at once. */
  readonly partialsMax: number;
}

export const hubLimits: HubLimits = {
  ...retentionLimits,
  membersMax: 300_000,
  partialsMax: 64,
};

export interface Hub {
  /** A device's op. Resolves when all that follows from it is done. */
  receive(device: string, op: DocumentChange): Promise<void>;
  /** A device has applied its down ops up to `cursor`. */
  heard(device: string, cursor: number): void;
  /** Somebody else has written to the replica. */
  changed(document: string): void;
  read(document: string): Promise<Result<DocumentView>>;
  /** The cloud's own edit: a JSON merge patch. */
  patch(document: string, patch: unknown): Promise<Result<DocumentState>>;
  /** Starts a new epoch without the past. */
  renew(document: string): Promise<Result<DocumentState>>;
  /** Resolves when nothing is under way here. */
  idle(): Promise<void>;
}

type MemberState = Member & { readonly dirty: boolean };

/** Fails where the members cannot be read. */
export async function openHub(
  ports: HubPorts,
  limits: Partial<HubLimits> = {},
): Promise<Result<Hub>> {
  const { replica, digestOf, clock, trace, relays } = ports;
  const isRelay = relays !== undefined;
  const bounds = { ...hubLimits, ...limits };
  const loaded = await ports.members.load();
  if (!loaded.ok) return loaded;
  const byDocument = new Map<string, Map<string, MemberState>>();
  const documentsOf = new Map<string, Set<string>>();
  let members = 0;
  const turns = createTurns();
  const partials = new Map<string, FrameContent[]>();
  const pending = new Set<Promise<unknown>>();
  const cursors = new Map<string, number>();
  const openedMs = clock.monotonicMs();
  /** By document, when an epoch began by age, as far as that keeps the next one from beginning. */
  const begunMs = new Map<string, number>();

  const remember = (heard: MemberState): void => {
    const { document, device } = heard;
    const taken = heard.position <= (cursors.get(device) ?? -1);
    const member = taken ? { ...heard, position: 0 } : heard;
    const all = byDocument.get(document) ?? new Map<string, MemberState>();
    if (!all.has(device)) members++;
    byDocument.set(document, all.set(device, member));
    documentsOf.set(device, (documentsOf.get(device) ?? new Set()).add(document));
  };
  const store = async (member: MemberState): Promise<Result<void>> => {
    remember(member);
    const { dirty: _, ...record } = member;
    return ports.members.save(record);
  };
  // Whether they have all that there is will be seen when they are heard.
  for (const member of loaded.value) remember({ ...member, dirty: true });

  const track = <T>(work: Promise<T>): Promise<T> => {
    const settled = work.then(
      () => {},
      (thrown: unknown) => trace.error({ reason: String(thrown) }, 'documents: a bug'),
    );
    pending.add(settled);
    void settled.then(() => pending.delete(settled));
    return work;
  };

  const leave = async (document: string, device: string): Promise<void> => {
    if (byDocument.get(document)?.delete(device) !== true) return;
    documentsOf.get(device)?.delete(document);
    members--;
    const removed = await ports.members.remove(document, device);
    // It is in memory again at the next start, and gone again before it is told anything.
    if (!removed.ok) trace.error({ document, device, code: removed.error.code }, 'still a member');
  };

  /** A device is in one site: it leaves the one it was in. */
  const join = async (
    document: string,
    device: string,
    epoch: number,
  ): Promise<Result<MemberState>> => {
    const known = byDocument.get(document)?.get(device);
    if (known !== undefined) return ok(known);
    if (members >= bounds.membersMax)
      return err(failure('overloaded', `${members} members already`));
    if (parseDocumentId(document)?.scope === 'site')
      for (const other of documentsOf.get(device) ?? [])
        if (parseDocumentId(other)?.scope === 'site') await leave(other, device);
    const heads: Heads = [];
    const member = { document, device, epoch, heads, basisEpoch: epoch, basis: heads, position: 0 };
    remember({ ...member, dirty: true });
    return ok({ ...member, dirty: true });
  };

  const quarantine = async (
    document: string,
    device: string,
    reason: string,
    bytes: Uint8Array,
  ) => {
    trace.warn({ document, device, reason }, 'a document frame was refused');
    ports.onRefused?.(document, device, reason);
    await ports.log.quarantine({ document, source: device, reason, bytes, atMs: clock.nowMs() });
  };

  /** Whether the document is this device's: its twin, its site's, the fleet's. [DOC15] */
  const mayShare = async (document: string, device: string): Promise<Result<boolean>> => {
    const id = parseDocumentId(document);
    if (id === undefined || (isRelay && document !== relays)) return ok(false);
    if (id.scope === 'device') return ok(id.name === device);
    return id.scope === 'site' && ports.isOfSite ? ports.isOfSite(device, id.name) : ok(true);
  };

  const receive = async (device: string, op: DocumentChange): Promise<void> => {
    const { document } = op;
    const decoded = decodeFrame(op.frame, digestOf);
    // Not answered: whatever its sender has, it shows again.
    if (!decoded.ok) return quarantine(document, device, decoded.error.message, op.frame);
    const frame = decoded.value;
    const id = parseDocumentId(document);
    if (frame.document !== document || id === undefined)
      return quarantine(document, device, 'a frame of another document', op.frame);
    const shares = await mayShare(document, device);
    if (!shares.ok) return trace.error({ document, code: shares.error.code }, shares.error.message);
    if (!shares.value) {
      await leave(document, device);
      const reason = `not a document of this device${id.scope === 'site' ? '’s site' : ''}`;
      return quarantine(document, device, reason, op.frame);
    }
    const content = collect(device, frame);
    if (content === undefined) return;
    const joined = await join(document, device, frame.epoch);
    if (!joined.ok)
      return trace.warn({ document, device, code: joined.error.code }, 'not a member');
    await leaveOldPast(document, device);
    let state = await replica.state(document);
    if (isRelay && state.ok && frame.epoch !== state.value.epoch) {
      // [RLY4] Until the one behind has heard the coordinator there is nothing to say.
      trace.info({ document, device, epoch: frame.epoch }, 'a neighbour in another epoch');
      await store({ ...joined.value, epoch: frame.epoch, heads: [], dirty: true });
      return;
    }
    if (state.ok && frame.epoch > state.value.epoch) {
      // Our disk went back in time, and what we have becomes an epoch that no device has seen; or another coordinator has
      // begun one, which is read now.
      const renewed = await replica.renew(document, state.value.version, frame.epoch + 1);
      state = renewed.ok ? await replica.reload(document) : renewed;
    }
    if (!state.ok) return trace.error({ document, code: state.error.code }, state.error.message);
    if (frame.epoch > state.value.epoch) return; // It is shown again.
    const member = byDocument.get(document)?.get(device) ?? joined.value;
    const basis = member.basisEpoch === frame.epoch ? [...member.basis] : [];
    if (frame.epoch < state.value.epoch) return tell(member, frame.id, { basis });
    const before = state.value.heads;
    const taken = await integrate(frame, content, id.scope);
    if (!taken.ok) {
      if (!isRefusal(taken.error)) return; // Not the content's fault: its sender shows it again.
      await quarantine(document, device, taken.error.message, op.frame);
      if (isRelay) return; // [RLY3]
      return tell(member, frame.id, { basis, refused: taken.error.message.slice(0, 256) });
    }
    const known = taken.value ? frame.heads : await orEmpty(replica.known(document, frame.heads));
    const { epoch } = frame;
    const now = byDocument.get(document)?.get(device) ?? member;
    const next: MemberState = {
      ...now,
      epoch,
      // What is still on its way to it need not be sent again.
      heads:
        now.position > 0 && now.epoch === epoch ? [...new Set([...known, ...now.heads])] : known,
      ...(taken.value ? { basisEpoch: epoch, basis: frame.heads } : {}),
    };
    await tell(next, frame.id);
    await passOn(document, before, device);
  };

  /** Whether all of it is in; false where something is missing that it builds on. */
  const integrate = async (
    { document, heads }: Frame,
    content: Content | { readonly kind: 'nothing' },
    scope: Parameters<typeof writableBy>[1],
  ): Promise<Result<boolean>> => {
    if (content.kind === 'nothing') {
      const known = await replica.known(document, heads);
      return known.ok ? ok(known.value.length === heads.length) : known;
    }
    const done = await replica.integrate(document, content, heads, writableBy('device', scope));
    if (done.ok && done.value.heads.length > headsJoinedMin) await replica.join(document);
    return done.ok ? ok(!done.value.missing) : done;
  };

  /** The content of a frame, once all of its parts are here. */
  const collect = (device: string, frame: Frame): Content | { kind: 'nothing' } | undefined => {
    const { content } = frame;
    if (content.kind !== 'part') return content;
    const key = `${device} ${frame.document}`;
    const parts = withPart(partials.get(key) ?? [], content);
    partials.delete(key);
    const save = joinParts(parts, digestOf);
    if (save.ok && save.value !== undefined) return { kind: 'save', save: save.value };
    if (save.ok) partials.set(key, parts);
    const [oldest] = partials.keys();
    if (partials.size > bounds.partialsMax && oldest !== undefined) partials.delete(oldest);
    return undefined;
  };

  /** Tells a member the news, as long as the document is its own: it may have been moved to another site. [DOC15] */
  const inform = async (member: MemberState): Promise<void> => {
    const { document, device } = member;
    const shares = await mayShare(document, device);
    if (shares.ok) return shares.value ? tell(member) : leave(document, device);
    trace.error({ document, device, code: shares.error.code }, shares.error.message);
    remember({ ...member, dirty: true });
  };

  /** Appends what a member lacks, or the whole in place of what it has; nothing where there is no news and no question. */
  const tell = async (
    member: MemberState,
    answers?: number,
    replaces?: Frame['replaces'],
  ): Promise<void> => {
    const { document, device } = member;
    const state = await replica.state(document);
    if (!state.ok) return trace.error({ document, code: state.error.code }, state.error.message);
    const { epoch, heads } = state.value;
    if (isRelay && member.epoch !== epoch) return remember({ ...member, dirty: true });
    const renewed =
      member.epoch < epoch && replaces === undefined
        ? { basis: member.basisEpoch === member.epoch ? [...member.basis] : [] }
        : replaces;
    const contents = await contentFor(member, renewed !== undefined);
    if (!contents.ok)
      return trace.error({ document, code: contents.error.code }, contents.error.message);
    const [only] = contents.value;
    if (only?.kind === 'nothing' && answers === undefined && sameHeads(member.heads, heads)) {
      remember({ ...member, dirty: false });
      return;
    }
    let { position } = member;
    for (const content of contents.value) {
      const frame = encodeFrame(
        {
          document,
          epoch,
          heads: [...heads],
          id: 0,
          ...(answers === undefined ? {} : { answers }),
          ...(renewed === undefined ? {} : { replaces: renewed }),
          content,
        },
        digestOf,
      );
      const appended = frame.ok
        ? await ports.append(device, { kind: 'document-change', document, frame: frame.value })
        : frame;
      if (!appended.ok) {
        trace.warn({ document, device, code: appended.error.code }, appended.error.message);
        remember({ ...member, dirty: true });
        return;
      }
      position = appended.value;
    }
    await store({ ...member, epoch, heads, position, dirty: false });
  };

  const contentFor = async (
    { document, heads }: Member,
    whole: boolean,
  ): Promise<Result<readonly FrameContent[]>> => {
    const save = () => replica.save(document);
    if (!whole) {
      const changes = await replica.since(document, heads);
      return changes.ok ? contentOf(changes.value, save, digestOf) : changes;
    }
    const saved = await save();
    return saved.ok ? partsOf(saved.value, digestOf) : saved;
  };

  /**
   * [DOC9] A new epoch without the past. What of each member's is in it is told by its author's own changes, for some of
   * them may have come by way of a relay, which its own heads say nothing of.
   */
  const begin = async (
    document: string,
    { epoch, version }: DocumentState,
  ): Promise<Result<boolean>> => {
    const last = await replica.lastOfActors(document);
    if (!last.ok) return last;
    for (const member of [...(byDocument.get(document)?.values() ?? [])]) {
      const author = authorOf(member.device, digestOf);
      const own = [...last.value].filter(([actor]) => actor.startsWith(author));
      if (own.length === 0) continue;
      const shown = member.basisEpoch === epoch ? member.basis : [];
      const hashes = own.map(([, hash]) => hash).reverse();
      const basis = [...new Set([...hashes, ...shown])].slice(0, documentBounds.headsMax);
      const stored = await store({ ...member, basisEpoch: epoch, basis });
      if (!stored.ok) return stored;
    }
    return replica.renew(document, version, epoch + 1);
  };

  const whyBegin = (document: string, state: DocumentState): 'size' | 'age' | undefined => {
    if (isRelay) return undefined; // [RLY3]
    const sinceBegunMs = clock.monotonicMs() - (begunMs.get(document) ?? openedMs);
    return whyBeginEpoch(state, bounds, clock.nowMs(), sinceBegunMs);
  };

  /** [DOC9, DOC16] Begins a new epoch if the past has become too large or too old. Whether it has, and it is not another's. */
  const beginIfDue = async (document: string): Promise<boolean> => {
    const held = await replica.state(document);
    if (!held.ok || whyBegin(document, held.value) === undefined) return false;
    // What another coordinator has done meanwhile counts: of two that look at once one alone begins.
    const state = await replica.reload(document);
    const why = state.ok ? whyBegin(document, state.value) : undefined;
    if (!state.ok || why === undefined) return false;
    const begun = await begin(document, state.value);
    if (!begun.ok) trace.error({ document, code: begun.error.code }, begun.error.message);
    if (!begun.ok || !begun.value) return false;
    trace.info({ document, why, epoch: state.value.epoch + 1 }, 'a new epoch of a document');
    if (why === 'age') noteBegun(document);
    return true;
  };

  const noteBegun = (document: string): void => {
    const nowMs = clock.monotonicMs();
    begunMs.delete(document);
    begunMs.set(document, nowMs);
    for (const [other, atMs] of begunMs) {
      if (nowMs - atMs < bounds.epochGapMs) break; // Oldest first.
      begunMs.delete(other);
    }
  };

  /** Before anything is taken or written: it shall not become part of a past that goes. */
  const leaveOldPast = async (document: string, except?: string): Promise<void> => {
    if (await beginIfDue(document)) await toAll(document, except);
  };

  /** To all but `except`, if the document has moved on from `before`. */
  const passOn = async (document: string, before: Heads, except?: string): Promise<void> => {
    const state = await replica.state(document);
    if (!state.ok || sameHeads(before, state.value.heads)) return;
    const begun = await beginIfDue(document);
    await toAll(document, begun ? undefined : except);
  };

  const toAll = async (document: string, except?: string): Promise<void> => {
    for (const member of [...(byDocument.get(document)?.values() ?? [])])
      if (member.device === except) continue;
      else if (member.position === 0) await inform(member);
      else {
        remember({ ...member, dirty: true });
        ports.nudge?.(member.device);
      }
  };

  return ok({
    receive: (device, op) => track(turns.take(op.document, () => receive(device, op))),

    heard(device, cursor) {
      if (!documentsOf.has(device)) return;
      cursors.set(device, cursor);
      for (const document of documentsOf.get(device) ?? []) {
        const member = byDocument.get(document)?.get(device);
        if (member === undefined || member.position > cursor) continue;
        if (member.position > 0) remember(member);
        if (!member.dirty) continue;
        void track(
          turns.take(document, async () => {
            const now = byDocument.get(document)?.get(device);
            if (now?.dirty && now.position === 0) await inform(now);
          }),
        );
      }
    },

    changed(document) {
      void track(turns.take(document, () => toAll(document)));
    },

    read: (document) => replica.read(document),

    patch: (document, patch) =>
      track(
        turns.take(document, async () => {
          const scope = parseDocumentId(document)?.scope;
          if (scope === undefined) return err(failure('not_found', `no document '${document}'`));
          await leaveOldPast(document);
          const before = await replica.state(document);
          if (!before.ok) return before;
          const patched = await replica.patch(document, patch, writableBy('cloud', scope));
          if (patched.ok) await passOn(document, before.value.heads);
          return patched;
        }),
      ),

    renew: (document) =>
      track(
        turns.take(document, async () => {
          const state = await replica.reload(document);
          const begun = state.ok ? await begin(document, state.value) : state;
          if (!begun.ok) return begun;
          if (begun.value) await toAll(document);
          return replica.state(document);
        }),
      ),

    async idle() {
      while (pending.size > 0) await Promise.all(pending);
    },
  });
}

/** More heads than this are joined into one by a change without edits. */
const headsJoinedMin = 64;

async function orEmpty(known: Promise<Result<Heads>>): Promise<Heads> {
  const result = await known;
  return result.ok ? result.value : [];
}
