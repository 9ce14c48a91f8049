// What every pair of transports must do, whatever carries the bytes. An adapter's whole test is one call.

import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { CoordinatorTransport, DeviceTransport } from '../ports.ts';

/** A pipe of its own for one test. */
export interface PipeFixture {
  readonly coordinator: CoordinatorTransport;
  /** Resolves when the device is connected. */
  connect(device: string): Promise<DeviceTransport>;
  /** Takes every device's link away, and gives it back. */
  cut(): Promise<void>;
  heal(): Promise<void>;
  close(): Promise<void>;
}

const soon = { timeout: 10_000, interval: 5 };

export function transportContract(name: string, createPipe: () => Promise<PipeFixture>): void {
  const fresh = async () => {
    const pipe = await createPipe();
    onTestFinished(() => pipe.close());
    const up: string[] = [];
    const presence: string[] = [];
    pipe.coordinator.onMessage((device, message) => up.push(`${device}:${[...message]}`));
    pipe.coordinator.onPresence((device, online) => presence.push(`${device}:${online}`));
    const connect = async (device: string) => {
      const transport = await pipe.connect(device);
      onTestFinished(() => transport.close());
      const down: string[] = [];
      const connections: boolean[] = [];
      transport.onMessage((message) => down.push([...message].join()));
      transport.onConnection((connected) => connections.push(connected));
      return { transport, down, connections };
    };
    return { pipe, up, presence, connect };
  };

  describe(`${name}: a pipe`, () => {
    it('[PIP1] carries exactly the bytes of a view, both ways', async () => {
      const { pipe, up, connect } = await fresh();
      const { transport, down } = await connect('device-1');
      const view = Uint8Array.of(9, 0, 255, 128, 9).subarray(1, 4);
      expect(await transport.send(view)).toMatchObject({ ok: true });
      await vi.waitFor(() => expect(up).toEqual(['device-1:0,255,128']), soon);
      expect(await pipe.coordinator.send('device-1', view)).toMatchObject({ ok: true });
      await vi.waitFor(() => expect(down).toEqual(['0,255,128']), soon);
    });

    it('[PIP2] reaches the addressed device alone, and names the sender', async () => {
      const { pipe, up, connect } = await fresh();
      const one = await connect('device-1');
      const two = await connect('device-2');
      await pipe.coordinator.send('device-2', Uint8Array.of(1));
      await pipe.coordinator.send('device-1', Uint8Array.of(2));
      await vi.waitFor(() => expect([one.down, two.down]).toEqual([['2'], ['1']]), soon);
      await two.transport.send(Uint8Array.of(3));
      await vi.waitFor(() => expect(up).toEqual(['device-2:3']), soon);
    });

    it('[PIP3] fails without a connection, and queues nothing', async () => {
      const { pipe, up, connect } = await fresh();
      const { transport, connections } = await connect('device-1');
      await pipe.cut();
      await vi.waitFor(() => expect(transport.connected()).toBe(false), soon);
      expect(await transport.send(Uint8Array.of(1))).toMatchObject({
        error: { code: 'unavailable' },
      });
      await pipe.heal();
      await vi.waitFor(() => expect(connections.at(-1)).toBe(true), soon);
      await transport.send(Uint8Array.of(2));
      await vi.waitFor(() => expect(up).toContain('device-1:2'), soon);
      expect(up).not.toContain('device-1:1');
    });

    it('[PIP4] tells when the connection goes and comes, and passes messages again', async () => {
      const { pipe, connect } = await fresh();
      const { transport, down, connections } = await connect('device-1');
      expect(transport.connected()).toBe(true);
      await pipe.cut();
      await vi.waitFor(() => expect(connections).toEqual([false]), soon);
      await pipe.heal();
      await vi.waitFor(() => expect(connections).toEqual([false, true]), soon);
      expect(transport.connected()).toBe(true);
      await pipe.coordinator.send('device-1', Uint8Array.of(4));
      await vi.waitFor(() => expect(down).toContain('4'), soon);
    });

    it('[TOP3] tells the coordinator who came and who left', async () => {
      const { presence, connect } = await fresh();
      const { transport } = await connect('device-1');
      await vi.waitFor(() => expect(presence.at(-1)).toBe('device-1:true'), soon);
      await transport.close();
      await vi.waitFor(() => expect(presence.at(-1)).toBe('device-1:false'), soon);
    });

    it('[PIP5] may be closed twice', async () => {
      const { pipe, connect } = await fresh();
      const { transport } = await connect('device-1');
      await transport.close();
      await transport.close();
      expect(transport.connected()).toBe(false);
      expect(await transport.send(Uint8Array.of(1))).toMatchObject({ ok: false });
      await pipe.coordinator.close();
      await pipe.coordinator.close();
    });
  });
}
