// A Mosquitto by the configuration that the project makes for it, in front of a coordinator's data folder.

import { writeFileSync } from 'node:fs';
import { operatorCommands } from '@skerry/cloud-coordinator';
import { freePort, type Mosquitto, startMosquitto } from './mosquitto.ts';

export interface SecureMosquitto extends Mosquitto {
  readonly url: string;
}

/** The authority is the one in `dataDir`; Mosquitto's own files lie in `folder`. */
export async function startSecureMosquitto(
  dataDir: string,
  folder: string,
): Promise<SecureMosquitto> {
  const port = await freePort();
  const flags = { 'data-dir': dataDir, out: folder, host: '127.0.0.1', port };
  const argv = Object.entries(flags).flatMap(([key, value]) => [`--${key}`, String(value)]);
  const made = await operatorCommands['mosquitto-config'](argv);
  if (!made.ok) throw new Error(made.error.message);
  // Started by root it would become another user, who may not read the key in our folder.
  writeFileSync(made.value, `user ${process.env['USER'] ?? 'root'}\n`, { flag: 'a' });
  const mosquitto = await startMosquitto(made.value, port);
  return { ...mosquitto, url: `mqtts://127.0.0.1:${port}` };
}
