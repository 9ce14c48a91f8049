// What lies between one device and the coordinator: every wire that the device has, cut and healed together.

import { operatorCommands } from '@skerry/cloud-coordinator';
import type { SkerryProcess } from '../fleet/process.ts';
import { createTcpProxy, type LinkMode, type TcpProxy } from '../net/tcp-proxy.ts';

export interface DeviceLink {
  /** The agent's, which lead through this link. */
  readonly flags: Readonly<Record<string, string>>;
  bytesUp(): number;
  set(mode: LinkMode): void;
  close(): Promise<void>;
}

export async function openPlainLink(coordinator: SkerryProcess): Promise<DeviceLink> {
  const mqtt = await proxyTo(coordinator.mqttUrl);
  return linkOf({ broker: `mqtt://127.0.0.1:${mqtt.port}` }, [mqtt]);
}

/** MQTT, and HTTP for what is fetched. */
export async function openWholeLink(coordinator: SkerryProcess): Promise<DeviceLink> {
  const [mqtt, http] = [await proxyTo(coordinator.mqttUrl), await proxyTo(coordinator.httpUrl)];
  const flags = {
    broker: `mqtt://127.0.0.1:${mqtt.port}`,
    'coordinator-url': `http://127.0.0.1:${http.port}`,
  };
  return linkOf(flags, [mqtt, http]);
}

/** With a token for the device, made in the coordinator's `dataDir`, and over HTTPS too, or over it alone. */
export async function openSecureLink(
  device: string,
  coordinator: SkerryProcess,
  dataDir: string,
  httpsAlone: boolean,
): Promise<DeviceLink> {
  const token = await operatorCommands.token(['--data-dir', dataDir, '--device', device]);
  if (!token.ok) throw new Error(token.error.message);
  const [mqtt, https] = [await proxyTo(coordinator.mqttUrl), await proxyTo(coordinator.httpUrl)];
  if (httpsAlone) mqtt.set('cut');
  const flags = {
    broker: `mqtts://127.0.0.1:${mqtt.port}`,
    'coordinator-url': `https://127.0.0.1:${https.port}`,
    'join-token': token.value,
  };
  return linkOf(flags, httpsAlone ? [https] : [mqtt, https], [mqtt, https]);
}

const proxyTo = (url = ''): Promise<TcpProxy> => {
  const { hostname, port } = new URL(url);
  return createTcpProxy({ host: hostname, port: Number(port) });
};

function linkOf(
  flags: DeviceLink['flags'],
  wires: readonly TcpProxy[],
  open: readonly TcpProxy[] = wires,
): DeviceLink {
  return {
    flags,
    bytesUp: () => wires.reduce((sum, { bytes }) => sum + bytes.up, 0),
    set(mode) {
      for (const wire of wires) wire.set(mode);
    },
    async close() {
      for (const wire of open) await wire.close();
    },
  };
}
