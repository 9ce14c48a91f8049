// What documents keep, in memory: a disk is an object that outlives whoever reads it.

import { ok } from '@skerry/shared';
import type { Heads } from '../documents/engine.ts';
import { inboxFramesMax } from '../documents/follower.ts';
import {
  type DocumentLog,
  type Quarantined,
  quarantinedBytesMax,
  quarantinedEntriesMax,
  type SavedDocument,
} from '../documents/log.ts';
import type { Member, MemberStore } from '../documents/members.ts';
import type { FollowerStore, InboxFrame } from '../documents/take-received.ts';

export interface MemoryDocumentDisk {
  readonly documents: Map<string, SavedDocument>;
  readonly quarantined: Quarantined[];
  readonly members: Map<string, Member>;
  readonly hubHeads: Map<string, Heads>;
  inbox: readonly InboxFrame[];
}

export function createMemoryDocumentDisk(): MemoryDocumentDisk {
  return {
    documents: new Map(),
    quarantined: [],
    members: new Map(),
    hubHeads: new Map(),
    inbox: [],
  };
}

const nothing: SavedDocument = {
  epoch: 1,
  version: 0,
  heads: [],
  sinceMs: undefined,
  save: undefined,
  changes: [],
};

export function createMemoryDocumentLog(disk: MemoryDocumentDisk): DocumentLog {
  const get = (document: string): SavedDocument => disk.documents.get(document) ?? nothing;
  return {
    load: async (document) => ok(get(document)),
    async append(document, version, changes, { heads, sinceMs }) {
      const saved = get(document);
      if (saved.version !== version) return ok(false);
      disk.documents.set(document, {
        ...saved,
        version: version + 1,
        heads,
        sinceMs,
        changes: [...saved.changes, ...changes],
      });
      return ok(true);
    },
    async rewrite(document, version, { epoch, heads, sinceMs, save }) {
      if (get(document).version !== version) return ok(false);
      const saved = { epoch, version: version + 1, heads, sinceMs, save, changes: [] };
      disk.documents.set(document, saved);
      return ok(true);
    },
    async quarantine(entry) {
      disk.quarantined.push({ ...entry, bytes: entry.bytes.slice(0, quarantinedBytesMax) });
      if (disk.quarantined.length > quarantinedEntriesMax) disk.quarantined.shift();
      return ok(undefined);
    },
  };
}

export function createMemoryFollowerStore(disk: MemoryDocumentDisk): FollowerStore {
  return {
    receive(frame) {
      disk.inbox = [...disk.inbox, frame].slice(-inboxFramesMax);
    },
    received: () => disk.inbox,
    forget(positions) {
      disk.inbox = disk.inbox.filter(({ position }) => !positions.includes(position));
    },
    hubHeads: (document) => disk.hubHeads.get(document) ?? [],
    noteHubHeads: (document, heads) => void disk.hubHeads.set(document, heads),
  };
}

export function createMemoryMemberStore(disk: MemoryDocumentDisk): MemberStore {
  const keyOf = (document: string, device: string): string => `${document} ${device}`;
  return {
    load: async () => ok([...disk.members.values()]),
    async save(member) {
      disk.members.set(keyOf(member.document, member.device), member);
      return ok(undefined);
    },
    async remove(document, device) {
      disk.members.delete(keyOf(document, device));
      return ok(undefined);
    },
  };
}
