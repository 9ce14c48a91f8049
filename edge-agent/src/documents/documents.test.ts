// The feature over its real store and routes, without a link.

import { createRandom, ok, silentLog } from '@skerry/shared';
import { sha256, systemClock } from '@skerry/shared/node';
import { createWorkerEngine } from '@skerry/sync-protocol/automerge';
import { expect, it, onTestFinished } from 'vitest';
import { openDatabase } from '../adapters/sqlite-database.ts';
import { createSqliteDocumentStore } from '../adapters/sqlite-document-store.ts';
import { documentRoutes } from '../http/documents.ts';
import { createDocuments } from './documents.ts';

it('[DOC6] apps change and follow documents, over a restart', async () => {
  const database = openDatabase(':memory:');
  if (!database.ok) throw new Error(database.error.message);
  const start = (seed: number) => {
    const engine = createWorkerEngine();
    const documents = createDocuments(
      { device: 'box-1', site: 'harbour' },
      {
        engine,
        store: createSqliteDocumentStore(database.value),
        append: () => ok(1),
        acknowledged: () => false,
        digestOf: sha256,
        clock: systemClock,
        random: createRandom(seed),
        log: silentLog,
      },
    );
    onTestFinished(async () => {
      await documents.close();
      await engine.close();
    });
    return documentRoutes({ documents, clock: systemClock });
  };
  const patch = (app: ReturnType<typeof start>, scope: string, body: string) =>
    app.request(`/${scope}`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/merge-patch+json' },
      body,
    });
  const app = start(1);
  expect((await patch(app, 'site', '{"lamps":{"a":1}}')).status).toBe(200);
  expect((await patch(app, 'device', '{"desired":{}, "x":1}')).status).toBe(400);
  expect((await patch(app, 'fleet', '{"x":1}')).status).toBe(400);
  expect((await patch(app, 'site', '{')).status).toBe(400);
  expect((await app.request('/nowhere')).status).toBe(404);

  const again = start(2);
  const view = (await (await again.request('/site')).json()) as { version: number };
  expect(view).toMatchObject({ value: { lamps: { a: 1 } }, version: 1 });
  const stream = await again.request('/site/stream', {
    headers: { 'last-event-id': String(view.version) },
  });
  const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader();
  await patch(again, 'site', '{"lamps":{"b":2}}');
  let text = '';
  while (!text.includes('event: document')) text += (await reader?.read())?.value ?? '';
  expect(text).toContain('id: 2');
  expect(text).toContain('"lamps":{"a":1,"b":2}');
  await reader?.cancel();
});
