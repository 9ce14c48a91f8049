// Revocations at a Mosquitto on this machine, without a restart. Its list of revoked certificates is a file, which it
// reads again at SIGHUP. Connections that are open it leaves alone; but it ends one as soon as another comes in the same
// name, so the authority comes in that name, for a moment. [IDN5]

import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Clock,
  err,
  failure,
  type Log,
  messageOf,
  ok,
  type Random,
  type Result,
  sleep,
} from '@skerry/shared';
import { deviceClientId, topicsOf } from '@skerry/sync-protocol';
import { openMqttConnection } from '@skerry/sync-protocol/mqtt';
import type { Revoked } from '../fleet/enrolment.ts';
import { mosquittoFiles } from '../fleet/mosquitto-config.ts';
import { listedSerials, type X509Authority } from './x509-authority.ts';

export interface MosquittoRevocationsConfig {
  /** What `mosquitto-config` has made, and Mosquitto runs by. */
  readonly folder: string;
  readonly brokerUrl: string;
}

export interface MosquittoRevocationsPorts {
  readonly authority: Pick<X509Authority, 'issueClient' | 'revocationList'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Mosquitto looks for a signal at each turn of its loop, which waits 100 ms at most. */
const reloadMs = 1_000;
const connectMs = 10_000;
/** Of the certificate in a revoked device's name. It never leaves this process. */
const momentMs = 60_000;

/** Call it with all that are revoked, as often as you like: what Mosquitto knows already costs nothing. */
export function createMosquittoRevocations(
  { folder, brokerUrl }: MosquittoRevocationsConfig,
  { authority, clock, random, log }: MosquittoRevocationsPorts,
): (revoked: readonly Revoked[]) => Promise<void> {
  const file = join(folder, mosquittoFiles.revoked);
  let known: ReadonlySet<string> | undefined;
  let working = false;

  /** Takes the place of whoever has a connection in that name. */
  const takePlace = async (device: string): Promise<boolean> => {
    const tls = await authority.issueClient(device, clock.nowMs(), momentMs);
    const there = new AbortController();
    const connection = openMqttConnection(
      {
        brokerUrl,
        clientId: deviceClientId(device),
        subscriptions: [topicsOf(device).down],
        inFlightMax: 1,
        tls: () => tls,
      },
      { clock, random, log, onMessage() {}, onConnection: () => there.abort() },
    );
    await sleep(clock, connectMs, there.signal);
    await connection.close();
    return there.signal.aborted;
  };

  const apply = async (revoked: readonly Revoked[]): Promise<Result<void>> => {
    known ??= new Set(listedSerials(readFileSync(file, 'utf8')));
    const before = known;
    const news = revoked.filter(({ serial }) => !before.has(serial));
    if (news.length === 0) return ok(undefined);
    writeFileSync(`${file}.new`, await authority.revocationList(revoked, clock.nowMs()));
    renameSync(`${file}.new`, file);
    const signalled = reloadMosquitto(folder);
    if (!signalled.ok) return signalled;
    await sleep(clock, reloadMs);
    for (const device of new Set(news.map((each) => each.device)))
      if (await takePlace(device)) log.info({ device }, 'revoked at Mosquitto');
      else log.error({ device }, 'revoked at Mosquitto; what it has open may still be open');
    known = new Set(revoked.map(({ serial }) => serial));
    return ok(undefined);
  };

  return async (revoked) => {
    if (working) return; // The next reading brings it.
    working = true;
    const applied = await apply(revoked).catch((thrown: unknown) =>
      err(failure('storage_failed', messageOf(thrown))),
    );
    working = false;
    if (!applied.ok) log.error({ code: applied.error.code }, `Mosquitto: ${applied.error.message}`);
  };
}

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
