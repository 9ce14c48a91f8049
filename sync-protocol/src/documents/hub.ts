// The middle of documents: holds the replica that others follow, judges what they send, and passes it on. It knows of
// each member what that one has, and has at most one piece of news under way to it: a member that is away for weeks
// costs one op, and gets what it lacks, or a save, when it has taken that.

import { type Clock, err, failure, ok, type Result } from '@skerry/shared';
import type { DocumentChange } from '../messages.ts';
import { parseDocumentId, writableBy } from './document.ts';
import type { Heads } from './engine.ts';
import { createEpochs } from './epochs.ts';
import { loadMembers, type MembersPorts } from './members.ts';
import { createNews, type NewsPorts } from './news.ts';
import { createReceiveFrame, type ReceiveFramePorts } from './receive-frame.ts';
import { type DocumentState, type DocumentView, type Replica, sameHeads } from './replica.ts';
import { type RetentionLimits, retentionLimits } from './retention.ts';
import { createTurns } from './turns.ts';

export interface HubPorts extends MembersPorts, NewsPorts, ReceiveFramePorts {
  readonly replica: Replica;
  readonly clock: Clock;
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
  /** A new epoch, without the past. */
  beginEpoch(document: string): Promise<Result<DocumentState>>;
  /** Resolves when nothing is under way here. */
  idle(): Promise<void>;
}

/** Fails where the members cannot be read. */
export async function openHub(
  ports: HubPorts,
  limits: Partial<HubLimits> = {},
): Promise<Result<Hub>> {
  const { replica, trace } = ports;
  const isRelay = ports.relays !== undefined;
  const bounds = { ...hubLimits, ...limits };
  const loaded = await loadMembers(ports, bounds.membersMax);
  if (!loaded.ok) return loaded;
  const members = loaded.value;
  const news = createNews(ports, members, isRelay);
  const epochs = createEpochs(ports, bounds, members, isRelay);
  const turns = createTurns();
  const pending = new Set<Promise<unknown>>();

  const inTurn = <T>(document: string, action: () => Promise<T>): Promise<T> => {
    const work = turns.take(document, action);
    const settled = work.then(
      () => {},
      (thrown: unknown) => trace.error({ reason: String(thrown) }, 'documents: a bug'),
    );
    pending.add(settled);
    void settled.then(() => pending.delete(settled));
    return work;
  };

  const leaveOldPast = async (document: string, except?: string): Promise<void> => {
    if (await epochs.beginIfDue(document)) await news.toAll(document, except);
  };

  const passOn = async (document: string, before: Heads, except?: string): Promise<void> => {
    const state = await replica.state(document);
    if (!state.ok || sameHeads(before, state.value.heads)) return;
    const begun = await epochs.beginIfDue(document);
    await news.toAll(document, begun ? undefined : except);
  };

  const receive = createReceiveFrame(
    ports,
    { members, news, epochs, leaveOldPast, passOn },
    bounds.partialsMax,
    isRelay,
  );

  return ok({
    receive: (device, op) => inTurn(op.document, () => receive(device, op)),

    heard(device, cursor) {
      for (const { document } of members.heard(device, cursor))
        void inTurn(document, async () => {
          const now = members.get(document, device);
          if (now?.dirty && now.position === 0) await news.inform(now);
        });
    },

    changed(document) {
      void inTurn(document, () => news.toAll(document));
    },

    read: (document) => replica.read(document),

    patch: (document, patch) =>
      inTurn(document, async () => {
        const scope = parseDocumentId(document)?.scope;
        if (scope === undefined) return err(failure('not_found', `no document '${document}'`));
        await leaveOldPast(document);
        const before = await replica.state(document);
        if (!before.ok) return before;
        const patched = await replica.patch(document, patch, writableBy('cloud', scope));
        if (patched.ok) await passOn(document, before.value.heads);
        return patched;
      }),

    beginEpoch: (document) =>
      inTurn(document, async () => {
        const state = await replica.reload(document);
        const begun = state.ok ? await epochs.begin(document, state.value) : state;
        if (!begun.ok) return begun;
        if (begun.value) await news.toAll(document);
        return replica.state(document);
      }),

    async idle() {
      while (pending.size > 0) await Promise.all(pending);
    },
  });
}
