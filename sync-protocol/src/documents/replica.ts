// Documents that last: an engine that integrates and a log that remembers, in step. What a call returns is durable, and a
// crash or a restarted engine at any point leaves what the log holds. Both sides are one; what differs is who may write
// what, and with whom they talk. Calls of one document run one after another.

import { assert, type Clock, err, failure, ok, type Random, type Result } from '@skerry/shared';
import type { Writable } from './document.ts';
import type { Content, DocumentEngine, Heads, Integrated, LeafView } from './engine.ts';
import { editsOfPatch, type JsonObject, jsonOf, rootKeyOf } from './leaves.ts';
import type { DocumentLog, Rewrite } from './log.ts';
import { createTurns } from './turns.ts';

export interface DocumentView {
  readonly document: string;
  readonly epoch: number;
  /** Rises with each change; the same on no other replica. */
  readonly version: number;
  readonly heads: Heads;
  readonly value: JsonObject;
  /** By JSON pointer: the values of others who wrote at the same time, as JSON. */
  readonly conflicts: Readonly<Record<string, readonly unknown[]>>;
}

export interface DocumentState {
  readonly epoch: number;
  readonly version: number;
  readonly heads: Heads;
  /** What is stored of it, its past included. */
  readonly bytes: number;
  /** When the first change past the epoch's beginning was recorded; absent where there is none. */
  readonly sinceMs: number | undefined;
}

export interface Replica {
  state(document: string): Promise<Result<DocumentState>>;
  /** The same, with what another process has recorded since it was asked last. */
  reload(document: string): Promise<Result<DocumentState>>;
  read(document: string): Promise<Result<DocumentView>>;
  /**
   * Applies a JSON merge patch (RFC 7396). Fails with `invalid_argument` for what `writable` does not hold, `too_large`
   * beyond the bounds, `storage_failed`.
   */
  patch(document: string, patch: unknown, writable: Writable): Promise<Result<DocumentState>>;
  integrate(
    document: string,
    content: Content,
    heads: Heads,
    writable: Writable,
  ): Promise<Result<Integrated>>;
  /** Becomes another's save, and makes its own edits past `basis` again. */
  replace(
    document: string,
    epoch: number,
    save: Uint8Array,
    basis: Heads,
  ): Promise<Result<{ readonly replayed: number }>>;
  /**
   * In place of `version` a new epoch, at least `epoch`: the same content, no past. `false`: that is no longer the version,
   * and nothing has changed.
   */
  beginEpoch(document: string, version: number, epoch: number): Promise<Result<boolean>>;
  /** Joins all heads into one. */
  join(document: string): Promise<Result<DocumentState>>;
  since(document: string, heads: Heads): Promise<Result<readonly Uint8Array[]>>;
  known(document: string, heads: Heads): Promise<Result<Heads>>;
  save(document: string): Promise<Result<Uint8Array>>;
  lastOfActors(document: string): Promise<Result<ReadonlyMap<string, string>>>;
}

export interface ReplicaPorts {
  readonly engine: DocumentEngine;
  readonly log: DocumentLog;
  readonly random: Random;
  readonly clock: Pick<Clock, 'nowMs'>;
  /** Begins every actor of this replica: 16 hex digits that name its owner. */
  readonly author: string;
  /** Something has been recorded. Must not throw. */
  readonly onChanged: (document: string, state: DocumentState) => void;
}

/** The log is rewritten as one save when the changes outgrow it, and this. */
const compactBytesMin = 64 * 1024;
/** Documents whose state is remembered; the engine holds fewer of them, and opens one again from the log as this does. */
const openMax = 1_024;
/** A write that another process of ours overtook is made again on what that one wrote. */
const attemptsMax = 4;

interface Open extends DocumentState {
  readonly saveBytes: number;
}

export function createReplica(ports: ReplicaPorts): Replica {
  const { engine, log, random, clock, author } = ports;
  assert(/^[0-9a-f]{16}$/.test(author), 'an author is 16 hex digits');
  const open = new Map<string, Open>();
  const turns = createTurns();

  /** [DOC5] Never used before: not by another boot, nor by the disk that this one was cloned from. */
  const freshActor = (): string => {
    const word = (): string => random.uint32().toString(16).padStart(8, '0');
    return author + word() + word();
  };

  /** The one used longest ago makes room. */
  const remember = (document: string, state: Open): Open => {
    open.delete(document);
    open.set(document, state);
    const [oldest] = open.keys();
    if (open.size > openMax && oldest !== undefined) open.delete(oldest);
    return state;
  };

  const openDocument = async (document: string): Promise<Result<Open>> => {
    const held = open.get(document);
    if (held !== undefined) return ok(remember(document, held));
    const loaded = await log.load(document);
    if (!loaded.ok) return loaded;
    const { save, changes, epoch, version, heads, sinceMs } = loaded.value;
    const chunks = save === undefined ? changes : [save, ...changes];
    const opened = await engine.open(document, chunks, freshActor());
    // [DOC6] The log itself, never a content, is at fault.
    if (!opened.ok) return err(failure('storage_failed', `'${document}': ${opened.error.message}`));
    if (!sameHeads(opened.value, heads))
      return err(failure('storage_failed', `the log of '${document}' is not what was recorded`));
    const state: Open = {
      epoch,
      version,
      heads,
      sinceMs,
      saveBytes: save?.length ?? 0,
      bytes: bytesOf(chunks),
    };
    return ok(remember(document, state));
  };

  /** Runs `action` on the open document, again where the engine has lost it or another process was faster. */
  const within = <T>(
    document: string,
    action: (state: Open) => Promise<Result<T | typeof overtaken>>,
  ): Promise<Result<T>> =>
    turns.take(document, async () => {
      for (let attempt = 0; attempt < attemptsMax; attempt++) {
        const state = await openDocument(document);
        if (!state.ok) return state;
        const done = await action(state.value);
        if (done.ok && done.value !== overtaken) return done as Result<T>;
        open.delete(document); // Whatever the engine holds now, the log is what counts.
        if (!done.ok && done.error.code !== 'not_found') return done;
      }
      return err(failure('unavailable', `'${document}' is being written by others`));
    });

  const recorded = (document: string, state: Open): void => {
    ports.onChanged(document, remember(document, state));
  };

  const append = async (
    document: string,
    state: Open,
    heads: Heads,
    changes: readonly Uint8Array[],
  ): Promise<Result<Open | typeof overtaken>> => {
    // Whatever was recorded by a clock ahead of this one was not recorded later than now.
    const nowMs = clock.nowMs();
    const sinceMs = Math.min(state.sinceMs ?? nowMs, nowMs);
    const appended = await log.append(document, state.version, changes, { heads, sinceMs });
    if (!appended.ok) return appended;
    if (!appended.value) return ok(overtaken);
    const next: Open = {
      ...state,
      version: state.version + 1,
      heads,
      sinceMs,
      bytes: state.bytes + bytesOf(changes),
    };
    recorded(document, next);
    if (next.bytes > next.saveBytes + Math.max(compactBytesMin, next.saveBytes)) {
      const save = await engine.save(document);
      if (save.ok) await rewrite(document, next, { ...next, save: save.value });
    }
    return ok(next);
  };

  const rewrite = async (
    document: string,
    { version }: Open,
    { epoch, heads, sinceMs, save }: Rewrite,
  ): Promise<Result<Open | typeof overtaken>> => {
    const by = { epoch, heads, sinceMs, save };
    const rewritten = await log.rewrite(document, version, by);
    if (!rewritten.ok) return rewritten;
    if (!rewritten.value) return ok(overtaken);
    const bytes = save.length;
    const next: Open = { epoch, version: version + 1, heads, sinceMs, saveBytes: bytes, bytes };
    recorded(document, next);
    return ok(next);
  };

  return {
    state: (document) => within(document, async (state) => ok(state)),
    reload: (document) =>
      turns.take(document, () => {
        open.delete(document);
        return openDocument(document);
      }),

    read: (document) =>
      within(document, async ({ epoch, version, heads }) => {
        const leaves = await engine.read(document);
        if (!leaves.ok) return leaves;
        return ok({ document, epoch, version, heads, ...viewOf(leaves.value) });
      }),

    patch: (document, patch, writable) =>
      within(document, async (state) => {
        const leaves = await engine.leaves(document);
        if (!leaves.ok) return leaves;
        const edits = editsOfPatch(new Map(leaves.value), patch);
        if (!edits.ok) return edits;
        if (edits.value.length === 0) return ok(state);
        const foreign = edits.value.find(({ path }) => !mayWrite(writable, path));
        if (foreign !== undefined)
          return err(
            failure('invalid_argument', `'${rootKeyOf(foreign.path)}' is not ours to write`),
          );
        const edited = await engine.edit(document, edits.value);
        if (!edited.ok) return edited;
        return append(document, state, edited.value.heads, [edited.value.change]);
      }),

    integrate: (document, content, heads, writable) =>
      within(document, async (state): Promise<Result<Integrated | typeof overtaken>> => {
        const done = await engine.integrate(document, content, heads, writable);
        if (!done.ok) return done;
        if (done.value.missing) open.delete(document);
        if (done.value.fresh.length === 0) return done;
        const appended = await append(document, state, done.value.heads, done.value.fresh);
        return appended.ok && appended.value !== overtaken ? done : (appended as Result<never>);
      }),

    replace: (document, epoch, save, basis) =>
      within(document, async (state) => {
        const replaced = await engine.replace(document, save, basis, author, freshActor());
        if (!replaced.ok) return replaced;
        const { save: merged, heads, replayed } = replaced.value;
        const sinceMs = clock.nowMs(); // It may hold changes past its epoch's beginning.
        const done = await rewrite(document, state, { epoch, heads, sinceMs, save: merged });
        return done.ok && done.value !== overtaken ? ok({ replayed }) : (done as Result<never>);
      }),

    beginEpoch: (document, version, atLeast) =>
      within(document, async (state): Promise<Result<boolean | typeof overtaken>> => {
        if (state.version !== version) return ok(false);
        const bare = await engine.dropPast(document, freshActor());
        if (!bare.ok) return bare;
        const epoch = Math.max(atLeast, state.epoch + 1);
        const done = await rewrite(document, state, {
          epoch,
          ...bare.value,
          sinceMs: undefined,
        });
        return done.ok && done.value !== overtaken ? ok(true) : (done as Result<never>);
      }),

    join: (document) =>
      within(document, async (state) => {
        const joined = await engine.edit(document, []);
        return joined.ok
          ? append(document, state, joined.value.heads, [joined.value.change])
          : joined;
      }),

    since: (document, heads) => within(document, () => engine.since(document, heads)),
    known: (document, heads) => within(document, () => engine.known(document, heads)),
    save: (document) => within(document, () => engine.save(document)),
    lastOfActors: (document) => within(document, () => engine.lastOfActors(document)),
  };
}

const overtaken = Symbol('overtaken');

const mayWrite = (writable: Writable, path: string): boolean =>
  writable === 'all' || writable.includes(rootKeyOf(path));

const bytesOf = (chunks: readonly Uint8Array[]): number =>
  chunks.reduce((sum, { length }) => sum + length, 0);

export function sameHeads(a: Heads, b: Heads): boolean {
  const has = new Set(a);
  return a.length === b.length && b.every((head) => has.has(head));
}

function viewOf(leaves: readonly LeafView[]): Pick<DocumentView, 'value' | 'conflicts'> {
  const contested = leaves.filter(({ others }) => others.length > 0);
  return {
    value: jsonOf(new Map(leaves.map(({ path, json }) => [path, json]))),
    conflicts: Object.fromEntries(
      contested.map(({ path, others }) => [path, others.map((json): unknown => JSON.parse(json))]),
    ),
  };
}
