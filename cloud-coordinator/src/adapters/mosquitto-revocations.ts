// Revocations at a Mosquitto on this machine, without a restart. Its list of revoked certificates is a file, which it
// reads again at SIGHUP. Connections that are open it leaves alone; but it ends one as soon as another comes in the same
// name, so the authority comes in that name, for a moment. Whose place was taken is a file of its own, written last: what
// a crash or a broker that is away leaves undone is done again. The list itself ends, and is made anew long before.
// [IDN5, IDN11, IDN16]

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Backoff,
  backoffMs,
  type Clock,
  err,
  failure,
  type Log,
  type LogFields,
  messageOf,
  ok,
  type Random,
  type Result,
  silentLog,
  sleep,
} from '@skerry/shared';
import { writeWholeFile } from '@skerry/shared/node';
import { deviceClientId, topicsOf } from '@skerry/sync-protocol';
import { openMqttConnection } from '@skerry/sync-protocol/mqtt';
import type { Revoked } from '../fleet/enrolment.ts';
import { mosquittoFiles } from '../fleet/mosquitto-config.ts';
import { createMosquittoCertificateWatch } from './mosquitto-certificate.ts';
import { revocationListLifeMs, type X509Authority } from './x509-authority.ts';

export interface MosquittoRevocationsConfig {
  /** What `mosquitto-config` has made, and Mosquitto runs by. */
  readonly folder: string;
  readonly brokerUrl: string;
}

export interface MosquittoRevocationsPorts {
  readonly authority: Pick<X509Authority, 'issueClient' | 'revocationList' | 'listedAtMs'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Mosquitto looks for a signal at each turn of its loop, which waits 100 ms at most. */
const reloadMs = 1_000;
const connectMs = 10_000;
/** One signal that does not arrive, or ten, leave the list good. */
const listAgeMaxMs = revocationListLifeMs / 12;
/** Of the certificate in a revoked device's name. It never leaves this process. */
const momentMs = 60_000;
/** Between two tries at one device. They end when its certificate has expired, for then it is not among the revoked. */
const retryBackoff: Backoff = { initialMs: 10_000, maxMs: 3_600_000 };
/** Each takes `connectMs`, and what is revoked meanwhile waits: the others come with the next reading. */
const failuresPerReadingMax = 3;

/** Call it with all that are revoked, as often as you like: what Mosquitto was told already costs nothing. */
export function createMosquittoRevocations(
  { folder, brokerUrl }: MosquittoRevocationsConfig,
  ports: MosquittoRevocationsPorts,
): (revoked: readonly Revoked[]) => Promise<void> {
  const { authority, clock, random, log } = ports;
  const listFile = join(folder, mosquittoFiles.revoked);
  const toldFile = join(folder, mosquittoFiles.told);
  /** Serials whose device's place has been taken since they are on the list. */
  let told: ReadonlySet<string> | undefined;
  /** When the list was made, by the date. */
  let listedMs: number | undefined;
  /** By device. */
  const retries = new Map<string, { readonly failures: number; readonly dueMs: number }>();
  let working = false;
  const watchCertificate = createMosquittoCertificateWatch(folder, ports);

  const retryLater = (device: string): void => {
    const failures = (retries.get(device)?.failures ?? 0) + 1;
    const dueMs = clock.monotonicMs() + backoffMs(retryBackoff, failures - 1, random);
    retries.set(device, { failures, dueMs });
  };

  /** Those of `devices` whose place was taken. */
  const takePlaces = async (devices: readonly string[]): Promise<ReadonlySet<string>> => {
    const taken = new Set<string>();
    let failures = 0;
    for (const device of devices) {
      if (failures >= failuresPerReadingMax) break;
      const took = await takePlace(device, brokerUrl, ports).catch((thrown: unknown) =>
        err(failure('unavailable', messageOf(thrown))),
      );
      if (took.ok) {
        taken.add(device);
        log.info({ device }, 'revoked at Mosquitto');
        continue;
      }
      failures++;
      retryLater(device);
      const reason = took.error.message;
      log.error({ device, reason }, 'revoked at Mosquitto; what it has open may still be open');
    }
    return taken;
  };

  const apply = async (revoked: readonly Revoked[]): Promise<Result<void>> => {
    const before = told ?? readTold(toldFile);
    told = before;
    const untold = new Set(
      revoked.filter(({ serial }) => !before.has(serial)).map(({ device }) => device),
    );
    for (const device of [...retries.keys()]) if (!untold.has(device)) retries.delete(device);
    const nowMs = clock.monotonicMs();
    const due = [...untold].filter((device) => nowMs >= (retries.get(device)?.dueMs ?? nowMs));
    listedMs ??= readListed(listFile, authority);
    const dateMs = clock.nowMs();
    // Of a date to come: a clock was wrong, and Mosquitto refuses such a list too.
    const aged = listedMs > dateMs || dateMs - listedMs >= listAgeMaxMs;
    if (due.length === 0 && !aged) return ok(undefined);
    writeWholeFile(listFile, await authority.revocationList(revoked, dateMs));
    listedMs = dateMs;
    const signalled = reloadMosquitto(folder);
    if (!signalled.ok) {
      for (const device of due) retryLater(device);
      return signalled;
    }
    if (due.length === 0) return ok(undefined);
    await sleep(clock, reloadMs);
    const taken = await takePlaces(due);
    const done = revoked.filter(({ serial, device }) => before.has(serial) || taken.has(device));
    told = new Set(done.map(({ serial }) => serial));
    writeWholeFile(toldFile, [...told].map((serial) => `${serial}\n`).join(''));
    return ok(undefined);
  };

  return async (revoked) => {
    if (working) return; // The next reading brings it.
    working = true;
    watchCertificate();
    const applied = await apply(revoked).catch((thrown: unknown) =>
      err(failure('storage_failed', messageOf(thrown))),
    );
    working = false;
    if (!applied.ok) log.error({ code: applied.error.code }, `Mosquitto: ${applied.error.message}`);
  };
}

/** Takes the place of whoever has a connection in that name. Fails with `unavailable`. */
async function takePlace(
  device: string,
  brokerUrl: string,
  { authority, clock, random }: MosquittoRevocationsPorts,
): Promise<Result<void>> {
  const tls = await authority.issueClient(device, clock.nowMs(), momentMs);
  const there = new AbortController();
  let reason = 'it does not answer';
  const hear = (fields: LogFields): void => {
    reason = String(fields['reason'] ?? reason);
  };
  const connection = openMqttConnection(
    {
      brokerUrl,
      clientId: deviceClientId(device),
      subscriptions: [topicsOf(device).down],
      inFlightMax: 1,
      tls: () => tls,
    },
    {
      clock,
      random,
      log: { ...silentLog, debug: hear, warn: hear },
      onMessage() {},
      onConnection: () => there.abort(),
    },
  );
  await sleep(clock, connectMs, there.signal);
  await connection.close();
  return there.signal.aborted ? ok(undefined) : err(failure('unavailable', reason));
}

/** Where there is no such file, nobody has been told anything. */
const readTold = (file: string): ReadonlySet<string> =>
  new Set(existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []);

/** What is there that is no list is older than any. */
const readListed = (file: string, authority: Pick<X509Authority, 'listedAtMs'>): number =>
  (existsSync(file) ? authority.listedAtMs(readFileSync(file, 'utf8')) : undefined) ?? 0;

/** SIGHUP to the Mosquitto that runs by the folder's configuration. Fails with `unavailable`. */
export function reloadMosquitto(folder: string): Result<void> {
  const file = join(folder, mosquittoFiles.pid);
  try {
    if (!existsSync(file)) return err(failure('unavailable', `none has written ${file}`));
    const pid = Number(readFileSync(file, 'utf8').trim());
    // The file may be older than this boot of the machine, and the number another's.
    const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
    if (name !== 'mosquitto') return err(failure('unavailable', `${pid} is ${name}`));
    process.kill(pid, 'SIGHUP');
    return ok(undefined);
  } catch (thrown) {
    return err(failure('unavailable', `by ${file}: ${messageOf(thrown)}`));
  }
}
