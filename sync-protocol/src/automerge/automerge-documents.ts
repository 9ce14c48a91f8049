// The engine over Automerge 3, as it runs inside the worker: synchronous, and allowed to throw. A document is one flat
// map of ImmutableStrings (see documents/leaves.ts), so that each change can be read, and judged, by itself.
// Facts that shape this file, each measured: `applyChanges` verifies no checksum; `load` does; a change that builds on
// what is missing is queued silently; one trap inside the wasm poisons the document; memory is freed by `free` alone.

import * as Automerge from '@automerge/automerge';
import { defined, type Failure, failure } from '@skerry/shared/plain';
import type { Writable } from '../documents/document.ts';
import { documentBounds } from '../documents/document-bounds.ts';
import type { Content, Heads, Integrated, LeafView } from '../documents/engine.ts';
import { checkLeaf, checkLeaves, type Edit, rootKeyOf } from '../documents/leaves.ts';
import { type OwnEdit, planReplay } from '../documents/replay.ts';

type Root = Record<string, Automerge.ImmutableString>;
type Doc = Automerge.Doc<Root>;

/** Thrown here, and a Failure again in worker.ts. */
export class Refused extends Error {
  readonly failure: Failure;
  constructor(failed: Failure) {
    super(failed.message);
    this.failure = failed;
  }
}

const refuse = (message: string): never => {
  throw new Refused(failure('malformed_message', message));
};

/** Chunk header: four magic bytes, four of a checksum, the type. 1 is a change as it is; 2 would be a deflated one. */
const chunkTypeAt = 8;
const plainChange = 1;
const magic = [0x85, 0x6f, 0x4a, 0x83];
/** Changes have no use for the time: order is by what they build on. */
const timeless = { time: 0 };
/** Documents in memory: a small one takes about 0.2 MB of it. */
const openMax = 256;

export function createAutomergeDocuments() {
  const open = new Map<string, Doc>();
  const get = (document: string): Doc => {
    const doc = open.get(document);
    if (doc === undefined) throw new Refused(failure('not_found', `'${document}' is not open`));
    return doc;
  };
  /** Those used last stay; the one used longest ago makes room, and is opened again when it is asked for. */
  const put = (document: string, doc: Doc): void => {
    open.delete(document);
    open.set(document, doc);
    const [oldest] = open.keys();
    if (open.size > openMax && oldest !== undefined) close(oldest);
  };
  const close = (document: string): void => {
    const doc = open.get(document);
    open.delete(document);
    if (doc !== undefined) Automerge.free(doc);
  };

  const integrate = (
    document: string,
    content: Content,
    heads: Heads,
    writable: Writable,
  ): Integrated => {
    let doc = get(document);
    const changes = content.kind === 'changes' ? content.changes : changesOf(content.save, doc);
    const fresh: Uint8Array[] = [];
    for (const change of changes) {
      const { hash } = judge(change, writable);
      if (!Automerge.hasHeads(doc, [hash])) fresh.push(change);
    }
    if (fresh.length > 0) [doc] = Automerge.applyChanges(doc, fresh);
    put(document, doc);
    if (!Automerge.hasHeads(doc, [...heads]) || Automerge.getMissingDeps(doc, []).length > 0) {
      close(document); // What has been queued in it is forgotten: the log has none of it.
      return { fresh: [], heads: [], missing: true };
    }
    check(leavesOf(doc));
    return { fresh, heads: Automerge.getHeads(doc), missing: false };
  };

  return {
    close,
    integrate(...query: Parameters<typeof integrate>): Integrated {
      try {
        return integrate(...query);
      } catch (thrown) {
        close(query[0]); // Half of it may be in.
        throw thrown;
      }
    },

    open(document: string, chunks: readonly Uint8Array[], actor: string): Heads {
      close(document);
      const doc =
        chunks.length === 0
          ? Automerge.init<Root>({ actor })
          : Automerge.load<Root>(concatenate(chunks), { actor });
      put(document, doc);
      return Automerge.getHeads(doc);
    },

    edit(document: string, edits: readonly Edit[]) {
      const before = get(document);
      const doc =
        edits.length === 0
          ? Automerge.emptyChange(before, timeless)
          : Automerge.change(before, timeless, (root) => makeEdits(root, edits));
      put(document, doc);
      const change = defined(Automerge.getLastLocalChange(doc), 'the change just made');
      if (change.length > documentBounds.changeBytesMax) {
        close(document); // The log has none of it.
        throw new Refused(
          failure('too_large', `a change of ${change.length} bytes; make it in smaller ones`),
        );
      }
      return { change, heads: Automerge.getHeads(doc) };
    },

    since(document: string, heads: Heads): readonly Uint8Array[] {
      const doc = get(document);
      return Automerge.getChangesSince(doc, [...knownTo(doc, heads)]);
    },

    known: (document: string, heads: Heads): Heads => knownTo(get(document), heads),

    lastOfActors(document: string): ReadonlyMap<string, string> {
      const last = new Map<string, string>();
      for (const { actor, hash } of Automerge.getChangesMetaSince(get(document), [])) {
        last.delete(actor); // The newest come last.
        last.set(actor, hash);
      }
      return last;
    },

    leaves: (document: string): readonly (readonly [string, string])[] => [
      ...leavesOf(get(document)),
    ],

    read(document: string): readonly LeafView[] {
      const doc = get(document);
      return [...leavesOf(doc)].map(([path, json]) => {
        const values = Object.values(Automerge.getConflicts(doc, path) ?? {});
        const others = values.map((value) => textOf(value)).filter((other) => other !== json);
        return { path, json, others: [...new Set(others)].sort() };
      });
    },

    save: (document: string): Uint8Array => Automerge.save(get(document)),

    replace(document: string, save: Uint8Array, basis: Heads, author: string, actor: string) {
      const old = get(document);
      let doc = Automerge.load<Root>(save, { actor });
      try {
        const theirs = leavesOf(doc);
        check(theirs);
        const unsynced = Automerge.getChangesSince(old, [...knownTo(old, basis)]);
        const base = leavesOf(Automerge.view(old, [...knownTo(old, basis)]));
        const plan = planReplay(ownEdits(old, unsynced, author), base, theirs);
        if (plan.plain.length > 0)
          doc = Automerge.change(doc, timeless, (root) => makeEdits(root, plan.plain));
        if (plan.concurrent.length > 0)
          doc = Automerge.changeAt(doc, [], timeless, (root) =>
            makeEdits(root, plan.concurrent),
          ).newDoc;
        check(leavesOf(doc));
        const replayed = plan.plain.length + plan.concurrent.length;
        const result = { save: Automerge.save(doc), heads: Automerge.getHeads(doc), replayed };
        close(document);
        put(document, doc);
        return result;
      } catch (thrown) {
        Automerge.free(doc);
        throw thrown;
      }
    },

    dropPast(document: string, actor: string) {
      const leaves = leavesOf(get(document));
      let doc = Automerge.init<Root>({ actor });
      const edits = [...leaves].map(([path, json]) => ({ path, json }));
      doc = Automerge.change(doc, timeless, (root) => makeEdits(root, edits));
      close(document);
      put(document, doc);
      return { save: Automerge.save(doc), heads: Automerge.getHeads(doc) };
    },
  };
}

/** [DOC7] What a peer's change does, if it is one that our kind of replica makes and its sender may make it. */
function judge(change: Uint8Array, writable: Writable): Automerge.DecodedChange {
  if (change.length > documentBounds.changeBytesMax) refuse('a change is too large');
  if (magic.some((byte, i) => change[i] !== byte) || change[chunkTypeAt] !== plainChange)
    refuse('a change is compressed, or none');
  const decoded = Automerge.decodeChange(change);
  if (decoded.ops.length > documentBounds.changeOpsMax) refuse('a change makes too many edits');
  for (const op of decoded.ops) {
    if (op.obj !== '_root' || typeof op.key !== 'string') refuse('a change is not of a flat map');
    const path = String(op.key);
    if (op.action === 'set' && typeof op.value === 'string') {
      const leaf = checkLeaf(path, op.value);
      if (!leaf.ok) throw new Refused(leaf.error);
    } else if (op.action !== 'del') refuse('a change does what no replica of ours does');
    if (writable !== 'all' && !writable.includes(rootKeyOf(path)))
      refuse(`its sender may not write '${rootKeyOf(path).slice(0, 64)}'`);
  }
  return decoded;
}

/** What a save holds that the document does not. `load` verifies every checksum in it. */
function changesOf(save: Uint8Array, doc: Doc): readonly Uint8Array[] {
  const other = Automerge.load<Root>(save);
  try {
    return Automerge.getChangesSince(other, [...knownTo(other, Automerge.getHeads(doc))]);
  } finally {
    Automerge.free(other);
  }
}

/**
 * By leaf, the last edit that changes of this author's make; changes come in an order in which each can be applied. What
 * somebody else has since written over is his to make again.
 */
function ownEdits(doc: Doc, changes: readonly Uint8Array[], author: string) {
  const own = new Map<string, OwnEdit & { readonly id: string }>();
  /** By op, the values that others wrote. */
  const written = new Map<string, string>();
  for (const change of changes) {
    const { actor, startOp, ops } = Automerge.decodeChange(change);
    for (const [place, { action, key, value, pred }] of ops.entries()) {
      const path = String(key);
      const id = `${startOp + place}@${actor}`;
      const before = own.get(path);
      if (actor.startsWith(author)) {
        const json = action === 'set' ? String(value) : undefined;
        const upon = pred.flatMap((op) => written.get(op) ?? []);
        // Alone where it was made upon what there was; else what it stands beside shows.
        const values = Object.keys(Automerge.getConflicts(doc, path) ?? {});
        const beside = json === undefined ? doc[path] !== undefined : values.length > 1;
        own.set(path, { id, json, beside, upon: [...(before?.upon ?? []), ...upon] });
      } else {
        if (action === 'set') written.set(id, String(value));
        if (before !== undefined && pred.includes(before.id)) own.delete(path);
      }
    }
  }
  return own;
}

const knownTo = (doc: Doc, heads: Heads): Heads =>
  heads.filter((head) => Automerge.hasHeads(doc, [head]));

function makeEdits(root: Root, edits: readonly Edit[]): void {
  for (const { path, json } of edits)
    if (json === undefined) delete root[path];
    else root[path] = new Automerge.ImmutableString(json);
}

function leavesOf(doc: Doc): Map<string, string> {
  return new Map(Object.entries(doc).map(([path, value]) => [path, textOf(value)]));
}

/** `getConflicts` gives the same scalar as a plain string. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return Automerge.isImmutableString(value) ? value.toString() : refuse('a leaf that is no text');
}

function check(leaves: ReadonlyMap<string, string>): void {
  const checked = checkLeaves(leaves);
  if (!checked.ok) throw new Refused(checked.error);
}

function concatenate(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
