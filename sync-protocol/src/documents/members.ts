// Who shares a document, and what each has of it: in memory for every decision, and stored, so that a hub that starts
// again knows whom to tell. A device is a member from its first frame on, until the document is no longer its own.

import { err, failure, type Log, ok, type Result } from '@skerry/shared';
import { parseDocumentId } from './document.ts';
import type { Heads } from './engine.ts';

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

/** Dirty: it may lack something that was not appended for it. */
export type MemberState = Member & { readonly dirty: boolean };

export interface MemberStore {
  load(): Promise<Result<readonly Member[]>>;
  save(member: Member): Promise<Result<void>>;
  remove(document: string, device: string): Promise<Result<void>>;
}

export interface MembersPorts {
  readonly members: MemberStore;
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
}

export interface Members {
  get(document: string, device: string): MemberState | undefined;
  /** As they are now: whoever goes through them may change them. */
  of(document: string): readonly MemberState[];
  /** Whether the document is this device's: its twin, its site's, the fleet's. [DOC15] */
  mayShare(document: string, device: string): Promise<Result<boolean>>;
  /** The member that a device is, or becomes: of one site alone. Fails with `overloaded`. */
  join(document: string, device: string, epoch: number): Promise<Result<MemberState>>;
  leave(document: string, device: string): Promise<void>;
  /** Until the next start. */
  remember(member: MemberState): void;
  store(member: MemberState): Promise<Result<void>>;
  /** A device has applied its down ops up to `cursor`. Those it is that now wait for nothing and may lack something. */
  heard(device: string, cursor: number): readonly MemberState[];
}

/** Fails where they cannot be read. */
export async function loadMembers(
  { members: table, trace, isOfSite, relays }: MembersPorts,
  membersMax: number,
): Promise<Result<Members>> {
  const loaded = await table.load();
  if (!loaded.ok) return loaded;
  const byDocument = new Map<string, Map<string, MemberState>>();
  const documentsOf = new Map<string, Set<string>>();
  const cursors = new Map<string, number>();
  let count = 0;

  const get = (document: string, device: string): MemberState | undefined =>
    byDocument.get(document)?.get(device);

  const remember = (member: MemberState): void => {
    const { document, device } = member;
    const taken = member.position <= (cursors.get(device) ?? -1);
    const all = byDocument.get(document) ?? new Map<string, MemberState>();
    if (!all.has(device)) count++;
    byDocument.set(document, all.set(device, taken ? { ...member, position: 0 } : member));
    documentsOf.set(device, (documentsOf.get(device) ?? new Set()).add(document));
  };
  // Whether they have all that there is will be seen when they are heard.
  for (const member of loaded.value) remember({ ...member, dirty: true });

  const leave = async (document: string, device: string): Promise<void> => {
    if (byDocument.get(document)?.delete(device) !== true) return;
    documentsOf.get(device)?.delete(document);
    count--;
    const removed = await table.remove(document, device);
    // It is in memory again at the next start, and gone again before it is told anything.
    if (!removed.ok) trace.error({ document, device, code: removed.error.code }, 'still a member');
  };

  const leaveOtherSites = async (device: string): Promise<void> => {
    for (const other of documentsOf.get(device) ?? [])
      if (parseDocumentId(other)?.scope === 'site') await leave(other, device);
  };

  return ok({
    get,
    of: (document) => [...(byDocument.get(document)?.values() ?? [])],

    async mayShare(document, device) {
      const id = parseDocumentId(document);
      if (id === undefined || (relays !== undefined && document !== relays)) return ok(false);
      if (id.scope === 'device') return ok(id.name === device);
      return id.scope === 'site' && isOfSite ? isOfSite(device, id.name) : ok(true);
    },

    async join(document, device, epoch) {
      const known = get(document, device);
      if (known !== undefined) return ok(known);
      if (count >= membersMax) return err(failure('overloaded', `${count} members already`));
      if (parseDocumentId(document)?.scope === 'site') await leaveOtherSites(device);
      const joined: MemberState = {
        document,
        device,
        epoch,
        heads: [],
        basisEpoch: epoch,
        basis: [],
        position: 0,
        dirty: true,
      };
      remember(joined);
      return ok(joined);
    },

    leave,
    remember,

    store(member) {
      remember(member);
      const { dirty: _, ...record } = member;
      return table.save(record);
    },

    heard(device, cursor) {
      const documents = documentsOf.get(device);
      if (documents === undefined) return [];
      cursors.set(device, cursor);
      const free: MemberState[] = [];
      for (const document of documents) {
        const member = get(document, device);
        if (member === undefined || member.position > cursor) continue;
        if (member.position > 0) remember(member);
        if (member.dirty) free.push(member);
      }
      return free;
    },
  });
}
