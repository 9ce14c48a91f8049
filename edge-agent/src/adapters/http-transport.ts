// The device's pipe over HTTP, where MQTT is blocked: one request stays open for what the coordinator has to say, and
// each message goes up in one of its own, whose response may bring the next one down.

import {
  backoffMs,
  type Clock,
  err,
  failure,
  type Log,
  messageOf,
  ok,
  type Random,
  sleep,
} from '@skerry/shared';
import type { DeviceTransport } from '@skerry/sync-protocol';
import type { Fetch } from './coordinator-fetch.ts';

const redialBackoff = { initialMs: 250, maxMs: 30_000 };
/** The coordinator holds a request for 25 s. */
const patienceMs = 40_000;
const goodbyeMs = 500;

export interface HttpTransportConfig {
  readonly device: string;
  /** Whoever answers Exchanges: the coordinator, or a site's relay under its `path`. */
  readonly coordinatorUrl: string;
  readonly path?: string;
}

export interface HttpTransportPorts {
  /** To the coordinator: where it speaks TLS, as whom our certificate names. */
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export function createHttpDeviceTransport(
  { device, coordinatorUrl, path = '/v1' }: HttpTransportConfig,
  { fetch, clock, random, log }: HttpTransportPorts,
): DeviceTransport {
  const urlOf = (at: string): URL => new URL(`${path}/${at}`, coordinatorUrl);
  const headers = { 'skerry-device': device };
  const closing = new AbortController();
  let onMessage: (message: Uint8Array) => void = () => {};
  let onConnection: (connected: boolean) => void = () => {};
  let online = false;
  let current = new AbortController();

  const setOnline = (now: boolean): void => {
    if (online === now || closing.signal.aborted) return;
    online = now;
    onConnection(now);
  };

  /** Throws where there is no answer in time, or none that is ours. */
  const request = async (
    method: string,
    at: string,
    body?: Uint8Array<ArrayBuffer>,
  ): Promise<void> => {
    const late = new AbortController();
    const timer = clock.after(patienceMs, () => late.abort());
    try {
      const signal = AbortSignal.any([closing.signal, current.signal, late.signal]);
      const response = await fetch(urlOf(at), {
        method,
        headers,
        signal,
        ...(body === undefined ? {} : { body }),
      });
      const bytes = new Uint8Array(await response.arrayBuffer());
      if (!response.ok) throw new Error(`status ${response.status}`);
      if (response.status === 200 && !closing.signal.aborted) onMessage(bytes);
    } finally {
      timer.cancel();
    }
  };

  const hangUp = (thrown: unknown): void => {
    log.debug({ reason: messageOf(thrown) }, 'http pipe lost');
    current.abort();
    setOnline(false);
  };

  const poll = async (): Promise<void> => {
    for (let attempt = 0; !closing.signal.aborted; attempt++) {
      current = new AbortController();
      try {
        await request('GET', 'hints?hold=0');
        attempt = 0;
        setOnline(true);
        while (!current.signal.aborted) await request('GET', 'hints');
      } catch (thrown) {
        hangUp(thrown);
      }
      await sleep(clock, backoffMs(redialBackoff, attempt, random), closing.signal);
    }
  };
  void poll();

  return {
    connected: () => online,
    async send(message) {
      if (!online) return err(failure('unavailable', 'not connected'));
      // Not awaited: the response is the coordinator's word, and may take its time.
      void request('POST', 'exchange', new Uint8Array(message)).catch(hangUp);
      return ok(undefined);
    },
    onMessage(listener) {
      onMessage = listener;
    },
    onConnection(listener) {
      onConnection = listener;
    },
    async close() {
      if (closing.signal.aborted) return;
      const wasOnline = online;
      online = false;
      closing.abort();
      if (!wasOnline) return;
      const goodbye = fetch(urlOf('hints'), { method: 'DELETE', headers });
      await Promise.race([goodbye.catch(() => undefined), sleep(clock, goodbyeMs)]);
    },
  };
}
