// What the mocks of other servers have in common: an HTTP server on a free port whose behaviour a test chooses.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { listenHttp } from '@skerry/shared/node';
import { onTestFinished } from 'vitest';

/** `slow` never answers, `broken` breaks the connection, `strange` answers with what is none of its protocol. */
export type MockMode = 'ok' | 'overloaded' | 'slow' | 'broken' | 'strange' | 'not-ready';

export interface MockServer {
  readonly url: string;
  mode: MockMode;
  /** What it asks for, as a bearer token; nothing where it is absent. */
  apiKey?: string;
  /** Requests for answers, as they came. */
  readonly requests: MockRequest[];
  /** Of those, whose client left before the response had ended. */
  left: number;
}

export interface MockReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: unknown;
  /** What happens after the body in place of an end: nothing, or the connection breaks. */
  readonly ending?: 'silence' | 'break';
}

export interface MockRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export interface MockBehaviour {
  /** Whether the path asks for an answer: only those are slow, broken or strange. */
  isAsk(request: MockRequest): boolean;
  reply(request: MockRequest, ready: boolean): MockReply;
  readonly overloaded: MockReply;
}

export async function startMock(behaviour: MockBehaviour): Promise<MockServer> {
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk) => chunks.push(chunk));
    incoming.on('end', () => handle(incoming, Buffer.concat(chunks), response));
  });
  const handle = (incoming: IncomingMessage, body: Buffer, response: ServerResponse): void => {
    const { method = 'GET', url: path = '/', headers } = incoming;
    const request = { method, path, headers, body };
    if (mock.apiKey !== undefined && headers.authorization !== `Bearer ${mock.apiKey}`) {
      send(response, { status: 401, body: { error: 'unauthorized' } });
      return;
    }
    if (!behaviour.isAsk(request)) {
      send(response, behaviour.reply(request, mock.mode !== 'not-ready'));
      return;
    }
    mock.requests.push(request);
    response.on('close', () => {
      if (!response.writableFinished) mock.left += 1;
    });
    if (mock.mode === 'slow') return;
    if (mock.mode === 'broken') response.socket?.destroy();
    else if (mock.mode === 'strange') send(response, { status: 200, body: { hello: 'world' } });
    else if (mock.mode === 'overloaded') send(response, behaviour.overloaded);
    else send(response, behaviour.reply(request, true));
  };
  const listening = await listenHttp(server, '127.0.0.1', 0);
  if (!listening.ok) throw new Error(listening.error.message);
  onTestFinished(async () => {
    server.closeAllConnections();
    await listening.value.close();
  });
  const mock: MockServer = { url: listening.value.url, mode: 'ok', requests: [], left: 0 };
  return mock;
}

function send(response: ServerResponse, { status, headers = {}, body, ending }: MockReply): void {
  const isRaw = body instanceof Uint8Array || typeof body === 'string';
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  const bytes = isRaw ? body : JSON.stringify(body);
  if (ending === undefined) response.end(bytes);
  else response.write(bytes, () => ending === 'break' && response.destroy());
}
