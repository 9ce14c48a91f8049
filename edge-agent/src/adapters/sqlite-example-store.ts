// The ExampleStore in the device's database.

import { datatypes } from '@skerry/models';
import { err, failure, ok } from '@skerry/shared';
import type {
  AskedInput,
  Example,
  ExampleBounds,
  ExampleCounts,
  ExampleEntry,
  ExampleStore,
  KeptInput,
} from '../learn/example-store.ts';
import { inTransaction, type SqliteDatabase } from './sqlite-database.ts';

/** Inputs that wait for the cloud's word: of more, the oldest go. */
export const askedMax = 512;
export const askedBytesMax = 16 * 1024 * 1024;
const referencesMax = 32;

interface Row {
  readonly id: string;
  readonly model: string;
  readonly label: string;
  readonly source: ExampleEntry['source'];
  readonly use: ExampleEntry['use'];
  readonly kept_ms: number;
  readonly expires_ms: number;
  readonly request: string | null;
  readonly datatype: string;
  readonly shape: string;
}

interface AskedRow {
  readonly request: string;
  readonly model: string;
  readonly asked_ms: number;
  readonly datatype: string;
  readonly shape: string;
  readonly data: Uint8Array;
}

const columns = 'id, model, label, source, use, kept_ms, expires_ms, request, datatype, shape';

export function createSqliteExampleStore(
  database: SqliteDatabase,
  { examplesMax, bytesMax }: ExampleBounds,
): ExampleStore {
  const sql = statements(database);

  /** The oldest of the most frequent label, until there is room. */
  const makeRoom = (example: Example): void => {
    while ((sql.countOf.get(example.model) ?? 0) >= examplesMax)
      sql.leave.run(example.model, sql.mostFrequentOf.get(example.model) ?? '');
    while ((sql.bytes.get() ?? 0) + example.data.length > bytesMax) {
      const most = sql.mostFrequent.get();
      if (most === undefined) return;
      sql.leave.run(most.model, most.label);
    }
  };

  return {
    add(example) {
      const { request = null, data, shape } = example;
      if (data.length > bytesMax)
        return err(failure('too_large', `an input of ${data.length} bytes, at most ${bytesMax}`));
      return inTransaction(database, () => {
        const before = request === null ? undefined : sql.sourceOf.get(request);
        if (before === 'person' && example.source === 'cloud') return ok(false);
        if (request !== null) sql.removeRequest.run(request);
        makeRoom(example);
        sql.insert.run({ ...example, request, shape: JSON.stringify(shape), bytes: data.length });
        return ok(true);
      });
    },
    list: (model) => sql.list.all(model).flatMap((row) => entryOf(row) ?? []),
    read: (ids) =>
      ids.flatMap((id) => {
        const row = sql.read.get(id);
        const entry = row && entryOf(row);
        return row && entry ? { ...entry, data: new Uint8Array(row.data) } : [];
      }),
    counts() {
      const byModel = new Map<
        string,
        { count: number; bytes: number; labels: Map<string, number> }
      >();
      for (const { model, label, count, bytes } of sql.counts.all()) {
        const of = byModel.get(model) ?? { count: 0, bytes: 0, labels: new Map() };
        of.count += count;
        of.bytes += bytes;
        of.labels.set(label, count);
        byModel.set(model, of);
      }
      return [...byModel].map(([model, of]): ExampleCounts => ({ model, ...of }));
    },
    remove({ model, id }) {
      return inTransaction(database, () => {
        if (id === undefined) sql.removeAsked.run(model ?? null, model ?? null);
        const of = { model: model ?? null, id: id ?? null };
        return ok(sql.remove.run(of).changes);
      });
    },
    expire: (nowMs) =>
      sql.isExpired.get(nowMs) === 1
        ? inTransaction(database, () => ok(sql.expire.run(nowMs).changes))
        : ok(0),
    keepAsked(asked) {
      const { data, shape } = asked;
      return inTransaction(database, () => {
        sql.ask.run({ ...asked, shape: JSON.stringify(shape), bytes: data.length });
        for (;;) {
          const { count, bytes } = sql.askedHeld.get() ?? { count: 0, bytes: 0 };
          if (count <= askedMax && bytes <= askedBytesMax) return ok(undefined);
          sql.forgetOldest.run();
        }
      });
    },
    asked(request) {
      const row = sql.asked.get(request);
      const kept = row && inputOf(row);
      if (row === undefined || kept === undefined) return undefined;
      const asked: AskedInput = { ...kept, request, model: row.model, askedMs: row.asked_ms };
      return asked;
    },
    forgetAsked: (request) => void sql.forgetAsked.run(request),
    consent(model) {
      const row = sql.consent.get(model);
      return row && { people: row.people === 1, cloud: row.cloud === 1 };
    },
    setConsent: (model, { people, cloud }) =>
      inTransaction(database, () => {
        sql.setConsent.run(model, Number(people), Number(cloud));
        if (!people) sql.removeOf.run(model, 'person');
        if (!cloud) sql.removeOf.run(model, 'cloud');
        if (!people || !cloud) sql.removeAsked.run(model, model);
        return ok(undefined);
      }),
    reference(bundle) {
      const text = sql.reference.get(bundle);
      return text === undefined ? undefined : numbersOf(text);
    },
    keepReference: (bundle, counts) =>
      inTransaction(database, () => {
        sql.keepReference.run(bundle, JSON.stringify(counts));
        sql.trimReferences.run(referencesMax);
        return ok(undefined);
      }),
  };
}

/** `undefined` where the row cannot be read. */
function entryOf(row: Row): ExampleEntry | undefined {
  const shape = numbersOf(row.shape);
  const datatype = datatypes.find((known) => known === row.datatype);
  if (shape === undefined || datatype === undefined) return undefined;
  const { id, model, label, source, use } = row;
  return {
    id,
    model,
    label,
    source,
    use,
    keptMs: row.kept_ms,
    expiresMs: row.expires_ms,
    datatype,
    shape,
    ...(row.request === null ? {} : { request: row.request }),
  };
}

function inputOf({ datatype: name, shape: text, data }: AskedRow): KeptInput | undefined {
  const shape = numbersOf(text);
  const datatype = datatypes.find((known) => known === name);
  return shape && datatype && { datatype, shape, data: new Uint8Array(data) };
}

function numbersOf(text: string): number[] | undefined {
  try {
    const read: unknown = JSON.parse(text);
    return Array.isArray(read) && read.every((n) => typeof n === 'number') ? read : undefined;
  } catch {
    return undefined;
  }
}

function statements(database: SqliteDatabase) {
  return {
    insert: database.prepare(
      `INSERT INTO example (${columns}, bytes, data)
       VALUES (@id, @model, @label, @source, @use, @keptMs, @expiresMs, @request, @datatype, @shape,
         @bytes, @data)`,
    ),
    sourceOf: database
      .prepare<[string], string>('SELECT source FROM example WHERE request = ?')
      .pluck(),
    removeRequest: database.prepare<[string]>('DELETE FROM example WHERE request = ?'),
    countOf: database
      .prepare<[string], number>('SELECT count(*) FROM example WHERE model = ?')
      .pluck(),
    bytes: database.prepare<[], number>('SELECT coalesce(sum(bytes), 0) FROM example').pluck(),
    mostFrequentOf: database
      .prepare<[string], string>(
        `SELECT label FROM example WHERE model = ? GROUP BY label
         ORDER BY count(*) DESC, min(kept_ms) LIMIT 1`,
      )
      .pluck(),
    mostFrequent: database.prepare<[], { model: string; label: string }>(
      `SELECT model, label FROM example GROUP BY model, label
       ORDER BY count(*) DESC, min(kept_ms) LIMIT 1`,
    ),
    leave: database.prepare<[string, string]>(
      `DELETE FROM example WHERE rowid = (
         SELECT rowid FROM example WHERE model = ? AND label = ? ORDER BY kept_ms, rowid LIMIT 1)`,
    ),
    list: database.prepare<[string], Row>(
      `SELECT ${columns} FROM example WHERE model = ? ORDER BY kept_ms, rowid`,
    ),
    read: database.prepare<[string], Row & { readonly data: Uint8Array }>(
      `SELECT ${columns}, data FROM example WHERE id = ?`,
    ),
    counts: database.prepare<[], { model: string; label: string; count: number; bytes: number }>(
      `SELECT model, label, count(*) AS count, sum(bytes) AS bytes FROM example
       GROUP BY model, label`,
    ),
    remove: database.prepare(
      `DELETE FROM example WHERE (@model IS NULL OR model = @model) AND (@id IS NULL OR id = @id)`,
    ),
    removeOf: database.prepare<[string, string]>(
      'DELETE FROM example WHERE model = ? AND source = ?',
    ),
    isExpired: database
      .prepare<[number], 1>('SELECT 1 FROM example WHERE expires_ms <= ? LIMIT 1')
      .pluck(),
    expire: database.prepare<[number]>('DELETE FROM example WHERE expires_ms <= ?'),
    ask: database.prepare(
      `INSERT OR REPLACE INTO example_asked (request, model, asked_ms, datatype, shape, bytes, data)
       VALUES (@request, @model, @askedMs, @datatype, @shape, @bytes, @data)`,
    ),
    askedHeld: database.prepare<[], { count: number; bytes: number }>(
      'SELECT count(*) AS count, coalesce(sum(bytes), 0) AS bytes FROM example_asked',
    ),
    forgetOldest: database.prepare(
      `DELETE FROM example_asked WHERE request =
         (SELECT request FROM example_asked ORDER BY asked_ms, rowid LIMIT 1)`,
    ),
    asked: database.prepare<[string], AskedRow>('SELECT * FROM example_asked WHERE request = ?'),
    forgetAsked: database.prepare<[string]>('DELETE FROM example_asked WHERE request = ?'),
    removeAsked: database.prepare<[string | null, string | null]>(
      'DELETE FROM example_asked WHERE ? IS NULL OR model = ?',
    ),
    consent: database.prepare<[string], { people: number; cloud: number }>(
      'SELECT people, cloud FROM example_consent WHERE model = ?',
    ),
    setConsent: database.prepare<[string, number, number]>(
      'INSERT OR REPLACE INTO example_consent (model, people, cloud) VALUES (?, ?, ?)',
    ),
    reference: database
      .prepare<[string], string>('SELECT counts FROM example_reference WHERE bundle = ?')
      .pluck(),
    keepReference: database.prepare<[string, string]>(
      'INSERT OR REPLACE INTO example_reference (bundle, counts) VALUES (?, ?)',
    ),
    trimReferences: database.prepare<[number]>(
      `DELETE FROM example_reference WHERE rowid <=
         (SELECT rowid FROM example_reference ORDER BY rowid DESC LIMIT 1 OFFSET ?)`,
    ),
  };
}
