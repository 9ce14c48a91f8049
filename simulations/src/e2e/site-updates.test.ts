// An update at a site with a thin uplink, between real processes: what the relay has fetched its neighbours have from it.
// The coordinator's HTTP is reached through a proxy that counts.

import { expect, it, onTestFinished, vi } from 'vitest';
import { inferDigit } from '../fleet/agent-client.ts';
import { newVersion, openSignedUpdates } from '../fleet/signed-updates.ts';
import { createTcpProxy } from '../net/tcp-proxy.ts';

const patience = { timeout: 30_000, interval: 50 };
const pixels = new Uint8Array(784);

it('[PEE5] the bytes of a site’s update cross its uplink once, and without the relay it comes all the same', {
  timeout: 120_000,
}, async () => {
  const { folder, coordinator, publish, startDevice, device, assign, told } =
    await openSignedUpdates(onTestFinished);
  const { hostname: host, port } = new URL(coordinator.httpUrl);
  const uplink = await createTcpProxy({ host, port: Number(port) });
  onTestFinished(() => uplink.close());
  const flags = { site: 'harbour', 'coordinator-url': `http://127.0.0.1:${uplink.port}` };
  const { relayUrl = '' } = await startDevice('relay', {
    ...flags,
    'relay-port': 0,
    'relay-host': '127.0.0.1',
  });
  const neighbours = ['box-2', 'box-3'];
  for (const name of neighbours) await startDevice(name, { ...flags, 'relay-url': relayUrl });
  const confirmed = (name: string, version: string) =>
    vi.waitFor(async () => {
      await inferDigit(device(name).httpUrl, 'q', pixels);
      expect(await told(name)).toMatchObject({
        update: { state: 'confirmed' },
        running: { version },
      });
    }, patience);
  const transfersOf = async (name: string) => {
    const response = await fetch(`${device(name).httpUrl}/v1/transfers`);
    const { transfers } = (await response.json()) as {
      transfers: { wire: string; phase: string; movedBytes: number }[];
    };
    // Staged, they are asked for again, and are there.
    return transfers.filter(({ movedBytes }) => movedBytes > 0);
  };

  const next = await publish(await newVersion(folder, '1.1.0'));
  const before = uplink.bytes.down;
  await assign(1, next, {}, 'relay');
  await vi.waitFor(async () => expect(await transfersOf('relay')).not.toEqual([]), patience);
  for (const name of neighbours) await assign(1, next, {}, name);
  for (const name of ['relay', ...neighbours]) await confirmed(name, '1.1.0');
  const [fetched = [], ...copied] = await Promise.all(['relay', ...neighbours].map(transfersOf));
  const ways = (transfers: typeof fetched) => [...new Set(transfers.map(({ wire }) => wire))];
  const movedBytes = (transfers: typeof fetched) =>
    transfers.reduce((sum, transfer) => sum + transfer.movedBytes, 0);
  expect(ways(fetched)).toEqual(['http']);
  for (const each of copied) {
    expect(ways(each)).toEqual(['site']);
    expect(movedBytes(each)).toBe(movedBytes(fetched));
  }
  // The rest is each one's own look at the repository's metadata.
  expect(uplink.bytes.down - before).toBeLessThan(2 * movedBytes(fetched));

  await device('relay').kill();
  const last = await publish(await newVersion(folder, '1.2.0'));
  for (const name of neighbours) await assign(2, last, {}, name);
  for (const name of neighbours) await confirmed(name, '1.2.0');
});
