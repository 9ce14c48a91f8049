// The demo's story: a coordinator and three devices, each behind a link of its own; one link is cut and healed while
// all of them answer MNIST's test images. Returns what happened, for people (main.ts) and for a test.

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type SkerryProcess, startProcess } from '../fleet/process.ts';
import type { LinkMode } from '../net/tcp-proxy.ts';
import { type DeviceLink, openPlainLink, openSecureLink } from './device-link.ts';
import { feed, type LabelledImage } from './feed.ts';
import { createScoreboard, type Scoreboard } from './scoreboard.ts';

export interface StoryOptions {
  readonly images: readonly LabelledImage[];
  readonly devices: number;
  /** Devices enrol and are known by certificate; the second one reaches the coordinator over HTTPS alone. */
  readonly tls: boolean;
  /** How long the feeding should take. */
  readonly seconds: number;
  readonly signal: AbortSignal;
  readonly onProgress: (scene: Scene) => void;
}

export interface Scene {
  readonly event: string;
  /** 0…1. */
  readonly progress: number;
  readonly consoleUrl: string;
  readonly devices: readonly {
    readonly board: Scoreboard;
    readonly link: LinkMode;
    readonly bytesUp: number;
    readonly httpUrl: string;
  }[];
}

export interface Story {
  readonly final: Scene;
  /** What the console asks for, where there is TLS. */
  readonly operatorToken: string | undefined;
  /** Ends every process and removes their files. */
  close(): Promise<void>;
}

/** The part of the feeding during which the last device's link is cut. */
const cutFrom = 0.35;
const cutUntil = 0.65;
/** How long the last late answers may take after the feeding. */
const settleTimeoutMs = 45_000;
const frameMs = 250;
/** Of the devices, counted from one, in the story with TLS. */
const withoutMqtt = 2;
const upTimeoutMs = 60_000;

interface Device {
  readonly name: string;
  readonly board: Scoreboard;
  readonly wires: DeviceLink;
  readonly agent: SkerryProcess;
  link: LinkMode;
}

export async function playStory(options: StoryOptions): Promise<Story> {
  const { signal, images } = options;
  const folder = await mkdtemp(join(tmpdir(), 'skerry-demo-'));
  const closers: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  const operatorToken = options.tls ? randomBytes(32).toString('hex') : undefined;
  const dataDir = join(folder, 'coordinator');
  try {
    const coordinator = await startProcess('coordinator', 'coordinator', {
      'http-port': 0,
      'mqtt-port': 0,
      'data-dir': dataDir,
      'next-exchange-ms': 1000,
      ...(operatorToken === undefined ? {} : { tls: 'on', 'operator-token': operatorToken }),
    });
    closers.push(() => coordinator.stop());
    const devices = await Promise.all(
      Array.from({ length: options.devices }, async (_, i) => {
        const name = `device-${i + 1}`;
        const wires = options.tls
          ? await openSecureLink(name, coordinator, dataDir, i + 1 === withoutMqtt)
          : await openPlainLink(coordinator);
        closers.push(wires.close);
        return startDevice(name, folder, wires, closers);
      }),
    );
    if (options.tls) await Promise.all(devices.map(({ agent }) => untilUp(agent, signal)));
    const abort = new AbortController();
    closers.push(async () => abort.abort());
    const done = AbortSignal.any([signal, abort.signal]);
    const scene = (event: string): Scene => ({
      event,
      progress: devices.reduce((sum, { board }) => sum + board.asked, 0) / images.length,
      consoleUrl: coordinator.httpUrl,
      devices: devices.map(({ board, link, wires, agent }) => ({
        board,
        link,
        bytesUp: wires.bytesUp(),
        httpUrl: agent.httpUrl,
      })),
    });
    await play(options, devices, scene, done);
    const final = scene('done');
    return { final, operatorToken, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

async function startDevice(
  name: string,
  folder: string,
  wires: DeviceLink,
  closers: (() => Promise<unknown>)[],
): Promise<Device> {
  const agent = await startProcess('agent', name, {
    device: name,
    target: 'linux-x64',
    'http-port': 0,
    'data-dir': join(folder, name),
    ...wires.flags,
    'status-interval-ms': 1000,
    // Ample: five processes share what may be two busy cores.
    'deadline-ms': 1000,
  });
  closers.push(() => agent.stop());
  return { name, board: createScoreboard(name), wires, agent, link: 'pass' };
}

/** A device tries MQTT for a while before it falls back. */
async function untilUp(agent: SkerryProcess, signal: AbortSignal): Promise<void> {
  const deadlineMs = performance.now() + upTimeoutMs;
  while (!signal.aborted && performance.now() < deadlineMs) {
    const health = await (await fetch(`${agent.httpUrl}/healthz`)).json();
    if ((health as { link: { state: string } }).link.state === 'up') return;
    await new Promise((resolve) => setTimeout(resolve, frameMs));
  }
  if (!signal.aborted) throw new Error(`${agent.name} does not reach the coordinator`);
}

async function play(
  { images, seconds, signal, onProgress }: StoryOptions,
  devices: readonly Device[],
  scene: (event: string) => Scene,
  done: AbortSignal,
): Promise<void> {
  const shares = devices.map((_, d) => images.filter((_, i) => i % devices.length === d));
  const feeding = Promise.all(
    devices.map(({ agent, board }, d) => {
      const share = shares[d] ?? [];
      const imagesPerSecond = share.length / seconds;
      return feed(agent.httpUrl, share, board, { imagesPerSecond, signal: done });
    }),
  );
  let fed = false;
  const over = (): void => {
    fed = true;
  };
  void feeding.then(over, over); // A failure is thrown by the await below.
  const unlucky = devices.at(-1);
  let settleBy = Number.POSITIVE_INFINITY;
  while (!signal.aborted) {
    const { progress } = scene('');
    const link = progress >= cutFrom && progress < cutUntil ? 'cut' : 'pass';
    if (unlucky !== undefined && unlucky.link !== link) {
      unlucky.link = link;
      unlucky.wires.set(link);
    }
    const waiting = devices.reduce((sum, { board }) => sum + board.pending.size, 0);
    onProgress(scene(eventOf(progress, waiting, unlucky?.name ?? '')));
    if (fed && settleBy === Number.POSITIVE_INFINITY)
      settleBy = performance.now() + settleTimeoutMs;
    if (fed && (waiting === 0 || performance.now() > settleBy)) break;
    await new Promise((resolve) => setTimeout(resolve, frameMs));
  }
  await feeding;
}

function eventOf(progress: number, waiting: number, unlucky: string): string {
  if (progress < cutFrom) return 'all links up';
  if (progress < cutUntil) return `the link of ${unlucky} is cut; it goes on answering`;
  return waiting > 0
    ? `the link of ${unlucky} is back; ${waiting} late answers on their way`
    : 'all links up; every late answer has arrived';
}
