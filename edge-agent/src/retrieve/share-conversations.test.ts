// Two devices of a site, and between them what a coordinator does: a set of turns, and a set of what is gone.

import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { err, failure, ok, type Result, silentLog } from '@skerry/shared';
import { createVirtualClock, unwrap } from '@skerry/shared/testing';
import {
  decodeUpBody,
  encodeBody,
  type Forget,
  forgottenTurnsMax,
  type Question,
  type WireTurn,
} from '@skerry/sync-protocol';
import { sampleForget, sampleQuestion, sampleTurn } from '@skerry/sync-protocol/testing';
import { expect, onTestFinished, test } from 'vitest';
import { createSqliteConversationStore } from '../adapters/sqlite-conversation-store.ts';
import { openDatabase } from '../adapters/sqlite-database.ts';
import { createSqliteDeviceStore } from '../adapters/sqlite-device-store.ts';
import type { Share, Turn } from './conversation-store.ts';
import { forgetConversations } from './conversations.ts';
import { shareConversations } from './share-conversations.ts';

const digest = `sha256:${'d'.repeat(64)}`;
const ann = { reader: 'ann', id: 'shift-1' };

function openDevice(
  share: Share | 'off' = 'site',
  nowMs = 1_750_000_000_000,
  conversationTurnsMax = 9,
) {
  const clock = createVirtualClock(nowMs);
  const database = unwrap(openDatabase(':memory:'));
  onTestFinished(() => void database.close());
  const bounds = {
    ...{ conversationTurnsMax, conversationBytesMax: 1e6, conversationRetentionMs: 1e9 },
  };
  const store = createSqliteConversationStore(database, bounds, clock.nowMs);
  const sent: (WireTurn | Forget)[] = [];
  const withdrawn: (WireTurn | Forget | Question)[] = [];
  const dropped: string[] = [];
  let elsewhere: readonly WireTurn[] = [];
  let refusal: Result<never> | undefined;
  let linkUp = true;
  const shared = shareConversations({
    ...{
      store,
      share: share === 'off' ? undefined : share,
      clock,
      log: silentLog,
      linkUp: () => linkUp,
      questions: { drop: (ids: readonly string[]) => dropped.push(...ids) },
    },
    append(body) {
      if (refusal !== undefined) return refusal;
      // As the wire has it.
      const read = unwrap(decodeUpBody(unwrap(encodeBody(body)))) as WireTurn | Forget;
      sent.push(read);
      return ok(1);
    },
    withdraw(isMeant) {
      withdrawn.push(...sent.filter((body) => body.kind === 'turn' && isMeant(body)));
      withdrawn.push(...[sampleQuestion('q-1'), sampleQuestion('q-2')].filter(isMeant));
      return ok(withdrawn.length);
    },
    fetchTurns: async () => ok(elsewhere),
  });
  const say = (question: string, uri = 'pump.md', key = ann, at = clock.nowMs()) => {
    const citation = { collection: 'manuals', uri, title: uri, heading: '', version: 1, digest };
    const turn: Turn = {
      ...{ id: randomUUID(), question, source: 'library', atMs: at },
      read: [{ collection: 'manuals', uri: 'intervals.md' }],
      said: {
        text: 'At the valve.',
        citations: [
          { ...citation, start: 0, end: 3, text: 'At.', passage: 4, verified: true, page: 2 },
        ],
        unverified: [],
      },
    };
    unwrap(shared.append(key, turn));
  };
  const asked = (key = ann) => shared.turns(key, 9).map(({ question }) => question);
  return {
    ...{ shared, store, sent, withdrawn, dropped, say, asked, clock, database },
    turns: () => sent.filter((body) => body.kind === 'turn'),
    find: (turns: readonly WireTurn[]) => (elsewhere = turns),
    refuse: (code: 'overloaded' | undefined) =>
      (refusal = code && err(failure(code, 'the outbox is full'))),
    cut: () => (linkUp = false),
  };
}

test('[CON7] a turn goes up where the owner wants that, and nobody’s in particular stays', () => {
  const [off, site, own] = [openDevice('off'), openDevice('site'), openDevice('device')];
  const nobodys = { reader: '', id: 'shift-1' };
  for (const device of [off, site, own]) {
    device.say('How deep?');
    device.say('How far?', 'pump.md', nobodys);
    expect(device.asked()).toEqual(['How deep?']);
  }
  expect(off.sent).toEqual([]);
  expect(site.sent).toMatchObject([
    { kind: 'turn', share: 'site', reader: 'ann', conversation: 'shift-1', question: 'How deep?' },
  ]);
  expect(JSON.stringify(site.sent)).not.toMatch(/"(passage|verified)"/);
  expect(own.turns().map(({ reader }) => reader)).toEqual(['ann', '']);
});

test('[CON7] what the outbox does not take stays here, and is kept all the same', () => {
  const { say, refuse, asked, sent } = openDevice();
  refuse('overloaded');
  say('How deep?');
  expect(asked()).toEqual(['How deep?']);
  expect(sent).toEqual([]);
});

test('[CON9] another device goes on with it, in the order in which it was said, whatever its clock says', async () => {
  const first = openDevice('site', 1_750_000_000_000);
  const second = openDevice('site', 1_749_999_000_000);
  first.say('How deep?');
  first.say('And how wide?');
  second.find(first.turns());
  await second.shared.bring(ann);
  await second.shared.bring(ann);
  second.say('And how old?');
  const all = ['How deep?', 'And how wide?', 'And how old?'];
  expect(second.asked()).toEqual(all);
  const [brought] = second.shared.turns(ann, 9);
  expect(brought?.read).toEqual([{ collection: 'manuals', uri: 'intervals.md' }]);
  expect(brought?.said.citations).toMatchObject([{ uri: 'pump.md', verified: false }]);
  first.find([...second.turns(), ...first.turns()]);
  await first.shared.bring(ann);
  expect(first.asked()).toEqual(all);
  const cut = openDevice('site');
  cut.find(first.turns());
  cut.cut();
  await cut.shared.bring(ann);
  expect(cut.asked()).toEqual([]);
});

test('[CON10] what is deleted is told to go elsewhere, and does not come back', async () => {
  const [first, second] = [openDevice(), openDevice()];
  first.say('How deep?');
  second.find(first.turns());
  await second.shared.bring(ann);
  expect(unwrap(second.shared.remove(ann))).toBe(true);
  await second.shared.bring(ann);
  expect(second.asked()).toEqual([]);
  const word = second.sent[0] as Forget;
  expect(word).toMatchObject({ kind: 'forget', share: 'site', gone: { what: 'until' } });
  second.say('How high?');
  expect(second.asked()).toEqual(['How high?']);
  const [next] = second.turns();
  expect(next?.atMs).toBeGreaterThan(word.gone.what === 'until' ? word.gone.atMs : Infinity);
  first.shared.forgotten(word);
  first.shared.flush([word]);
  expect(first.asked()).toEqual([]);
  // What it has said and not sent yet.
  expect(first.withdrawn).toEqual(first.turns());
  expect(unwrap(first.shared.remove(ann))).toBe(false);
});

test('[CON10] who deletes a conversation deletes what others have said of it, though nothing of that is here', async () => {
  const [first, second] = [openDevice(), openDevice()];
  first.say('How deep?');
  second.cut();
  expect(unwrap(second.shared.remove(ann))).toBe(false);
  expect(second.sent).toMatchObject([{ kind: 'forget', ...{ reader: 'ann', share: 'site' } }]);
  // Of before this device shared what is said here.
  unwrap(
    second.store.append(ann, { ...first.shared.turns(ann, 1)[0], id: 'own' } as Turn, undefined),
  );
  expect(unwrap(second.shared.remove(ann))).toBe(true);
  expect(second.sent).toHaveLength(2);
  unwrap(second.store.merge(ann, first.shared.turns(ann, 9), 'site'));
  expect(second.asked()).toEqual([]);
  const [off, nobodys] = [openDevice('off'), openDevice()];
  unwrap(off.shared.remove(ann));
  unwrap(nobodys.shared.remove({ ...ann, reader: '' }));
  expect([...off.sent, ...nobodys.sent]).toEqual([]);
});

test('[CON10] what is gone stays away: a turn by itself, up to the latest time that was said, and of a clock that was ahead', async () => {
  const { shared, store, clock, sent, database } = openDevice();
  const first = openDevice();
  first.say('How deep?');
  const [turn] = first.shared.turns(ann, 1);
  const turns = { what: 'turns' as const, turns: [turn?.id ?? ''] };
  store.drop(ann, turns);
  unwrap(store.merge(ann, first.shared.turns(ann, 9), 'site'));
  expect(shared.turns(ann, 9)).toEqual([]);
  const ahead = { ...(turn as Turn), id: 'ahead', atMs: clock.nowMs() + 9 };
  unwrap(store.append(ann, ahead, 'site'));
  unwrap(shared.remove(ann));
  expect(sent.at(-1)).toMatchObject({ gone: { what: 'until', atMs: ahead.atMs } });
  store.drop(ann, { what: 'until', atMs: clock.nowMs() });
  unwrap(store.merge(ann, [{ ...ahead, id: 'again' }], 'site'));
  expect(shared.turns(ann, 9)).toEqual([]);
  // What is as old as it nobody takes any more.
  const rows = () => database.prepare('SELECT * FROM conversation_gone').all();
  expect(rows()).toHaveLength(2);
  clock.after(1e9 + 1, () => undefined);
  clock.runNext(Number.POSITIVE_INFINITY);
  unwrap(store.merge(ann, [], 'site'));
  expect(rows()).toEqual([]);
});

test('[CON10] so many turns are named in a word, and as many words said as there must be', () => {
  const { shared, store, sent, clock } = openDevice('site', 1_750_000_000_000, 999);
  const said = { text: 'Nobody knows.', citations: [], unverified: [] };
  const read = [{ collection: 'manuals', uri: 'safe.md' }];
  for (let n = 0; n <= forgottenTurnsMax; n++) {
    const turn = { id: `t-${n}`, question: 'Where?', said, source: 'big', atMs: clock.nowMs() };
    unwrap(store.append(ann, { ...turn, read }, 'site'));
  }
  unwrap(shared.forget({ collection: 'manuals', uri: 'safe.md', digests: [] }));
  const counts = sent.map(
    (body) => body.kind === 'forget' && 'turns' in body.gone && body.gone.turns.length,
  );
  expect(counts).toEqual([forgottenTurnsMax, 1]);
});

test('[CON7] nobody’s conversation is refused where it would be shared with others', () => {
  const more = { reader: '', share: 'site' as const };
  expect(encodeBody(sampleTurn('t-1', more))).toMatchObject({ ok: false });
  expect(encodeBody(sampleForget(more))).toMatchObject({ ok: false });
  expect(encodeBody(sampleForget({ ...more, share: 'device' }))).toMatchObject({ ok: true });
});

test('[CON10] what was asked later for a turn that others have deleted goes with it', () => {
  const { shared, store, dropped, withdrawn, clock } = openDevice();
  const said = { text: 'Nobody knows.', citations: [], unverified: [] };
  for (const n of [1, 2]) {
    const later = { requestId: `q-${n}`, documents: [] };
    const turn = {
      id: `t-${n}`,
      question: 'Where?',
      said,
      source: 'library',
      atMs: clock.nowMs(),
      later,
    };
    unwrap(store.append(ann, turn, 'site'));
  }
  const gone = { what: 'turns' as const, turns: ['t-2'] };
  const forget = { kind: 'forget', share: 'site', reader: 'ann', conversation: 'shift-1', gone };
  shared.forgotten(forget as Forget);
  expect([dropped, withdrawn]).toEqual([['q-2'], []]);
  shared.flush([forget as Forget]);
  expect(withdrawn).toMatchObject([{ requestId: 'q-2' }]);
});

test('[CON10] where nobody can be told, nothing is deleted', () => {
  const { say, refuse, asked, shared, sent } = openDevice();
  say('How deep?');
  refuse('overloaded');
  expect(shared.remove(ann)).toMatchObject({ error: { code: 'overloaded' } });
  expect(shared.forget({ collection: 'manuals', uri: 'pump.md', digests: [] })).toMatchObject({
    error: { code: 'overloaded' },
  });
  expect(asked()).toEqual(['How deep?']);
  refuse(undefined);
  expect(unwrap(shared.remove(ann))).toBe(true);
  expect(sent).toHaveLength(2);
});

test('[CON10] turns that quote a document are told to go with it, and the certificate says so', async () => {
  const { say, shared, sent, withdrawn, asked } = openDevice();
  say('How deep?', 'safe.md');
  say('How far?', 'pump.md');
  say('By heart?', 'safe.md', { reader: '', id: 'shift-1' });
  const document = { collection: 'manuals', uri: 'safe.md', digests: [] };
  const erased = unwrap(await forgetConversations(shared).forget(document));
  expect(erased).toMatchObject([
    { store: 'conversations', state: 'erased', count: 2 },
    { state: 'pending', count: 1 },
  ]);
  expect(asked()).toEqual(['How far?']);
  const [turn] = sent;
  const ids = turn?.kind === 'turn' ? [turn.turn] : [];
  expect(sent.at(-1)).toMatchObject({ kind: 'forget', gone: { what: 'turns', turns: ids } });
  expect(withdrawn).toEqual([turn]);
  expect(unwrap(await forgetConversations(shared).forget(document))).toHaveLength(1);
});

test('[CON10] no byte of what is deleted stays on the device, what has not gone up included', () => {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-share-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const database = unwrap(openDatabase(join(folder, 'agent.db')));
  onTestFinished(() => void database.close());
  const room = { outboxOpsMax: 9, outboxBytesMax: 1e6 };
  const outbox = unwrap(createSqliteDeviceStore(database, 'device-1', () => 'epoch-1', room));
  const bounds = {
    ...{ conversationTurnsMax: 9, conversationBytesMax: 1e6, conversationRetentionMs: 1e9 },
  };
  const clock = createVirtualClock(1_750_000_000_000);
  const shared = shareConversations({
    ...{ share: 'site', clock, log: silentLog, linkUp: () => false },
    store: createSqliteConversationStore(database, bounds, clock.nowMs),
    append: (body) => outbox.append(body, clock.nowMs()),
    withdraw: (isMeant) => outbox.withdraw('turn', (body) => body.kind === 'turn' && isMeant(body)),
    questions: { drop() {} },
  });
  const said = { text: 'Nobody knows.', citations: [], unverified: [] };
  const turn = {
    id: 't-1',
    question: 'Where is Zanzibar?',
    said,
    source: 'library',
    atMs: clock.nowMs(),
  };
  unwrap(shared.append(ann, turn));
  unwrap(shared.append({ ...ann, id: 'shift-2' }, { ...turn, id: 't-2', question: 'Timbuktu?' }));
  const holds = (word: string): boolean =>
    readdirSync(folder).some((name) => readFileSync(join(folder, name)).includes(word));
  expect(holds('Zanzibar')).toBe(true);
  unwrap(shared.remove(ann));
  expect(holds('Zanzibar')).toBe(false);
  expect(holds('Timbuktu')).toBe(true);
  expect(outbox.unacknowledged(9, 1e6)).toMatchObject([
    { body: { turn: 't-2' } },
    { body: { kind: 'forget', conversation: 'shift-1' } },
  ]);
});
