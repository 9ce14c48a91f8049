// The page that is a device, in a real Chromium, over a real agent and a cloud that goes away and comes back.

import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zooDirectory } from '@skerry/models/node';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SkerryProcess, startProcess } from '../fleet/process.ts';
import { freePort } from '../net/mosquitto.ts';
import { type Chromium, hasChromium, startChromium } from './chromium.ts';

const timeout = 15_000;
/** Of the bundle's golden inputs: one that the first exit is sure of, and one that it is not. */
const sure = 0;
const unsure = 2;

/** The zoo's digits, but with a threshold for each class: a seven needs more than the others. */
async function writePerClassBundle(folder: string): Promise<void> {
  await cp(join(zooDirectory, 'digits'), folder, { recursive: true });
  const path = join(folder, 'manifest.json');
  const manifest = JSON.parse(await readFile(path, 'utf8'));
  const [exit] = manifest.variants[0].calibration.exits;
  exit.thresholds = manifest.labels.map((label: string) => (label === '7' ? 0.95 : exit.threshold));
  await writeFile(path, JSON.stringify(manifest));
}

describe.skipIf(!hasChromium())('the page that is a device', () => {
  let folder: string;
  let mqttPort: number;
  let coordinator: SkerryProcess;
  let agent: SkerryProcess;
  let chromium: Chromium;
  let page: Page;
  const complaints: string[] = [];
  const requests: string[] = [];

  const startCoordinator = () =>
    startProcess('coordinator', 'coordinator', {
      'http-port': 0,
      'mqtt-port': mqttPort,
      'data-dir': join(folder, 'coordinator'),
    });
  const sample = (index: number) => page.locator('.sample').nth(index).click();
  const answered = (source: string, kind: string) =>
    page.waitForSelector(`#answer[data-source="${source}"][data-kind="${kind}"]`, { timeout });
  const linkIs = (state: string) =>
    page.waitForSelector(`#link[data-state="${state}"]`, { timeout });
  const asked = () => requests.filter((url) => url.includes('/v1/escalations/')).length;
  const text = (selector: string) => page.locator(selector).first().textContent();

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'skerry-page-'));
    mqttPort = await freePort();
    coordinator = await startCoordinator();
    await writePerClassBundle(join(folder, 'bundle'));
    agent = await startProcess('agent', 'agent', {
      device: 'kiosk',
      bundles: join(folder, 'bundle'),
      'http-port': 0,
      'data-dir': join(folder, 'agent'),
      broker: `mqtt://127.0.0.1:${mqttPort}`,
    });
    chromium = await startChromium();
    page = await chromium.context.newPage();
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => requests.push(request.url()));
    await page.goto(`${agent.httpUrl}/app`);
    await page.waitForSelector('#device[data-state="ready"]', { timeout });
    await linkIs('up');
  }, 60_000);

  afterAll(async () => {
    await chromium?.close();
    await agent?.stop();
    await coordinator?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('has tested the model there: the golden inputs give what the bundle promises', async () => {
    expect(await text('#here')).toContain('4 golden inputs answered as promised');
  });

  it('answers by itself what it is sure of, and sends nothing', async () => {
    await sample(sure);
    await answered('exit:1', 'here');
    expect(await text('#label')).toBe('7');
    expect(asked()).toBe(0);
  });

  it('shows what an answer of this class had to reach', async () => {
    expect(await text('#promise')).toMatch(/from 95\.0.?% on: .* of what it takes for 7 is/);
    expect(await page.locator('#threshold').getAttribute('style')).toContain('left: 95%');
  });

  it('answers what is drawn with a pen', async () => {
    await page.click('#clear');
    const box = await page.locator('#sheet').boundingBox();
    if (box === null) throw new Error('no sheet');
    const at = (x: number, y: number) => [box.x + x * box.width, box.y + y * box.height] as const;
    await page.mouse.move(...at(0.3, 0.25));
    await page.mouse.down();
    for (const [x, y] of [
      [0.5, 0.15],
      [0.68, 0.3],
      [0.3, 0.8],
      [0.75, 0.8],
    ] as const)
      await page.mouse.move(...at(x, y), { steps: 5 });
    await page.mouse.up();
    await page.locator('#label', { hasText: '2' }).waitFor({ timeout });
    expect(await page.getAttribute('#answer', 'data-kind')).toBe('here');
  });

  it('asks the cloud, through the agent, what it is not sure of', async () => {
    await sample(unsure);
    await answered('cloud', 'cloud');
    expect(await text('#label')).toBe('9');
    expect(asked()).toBe(1);
  });

  it('without the cloud gives its own answer, marked, and the better one when it comes', async () => {
    await coordinator.kill();
    await linkIs('down');
    await sample(unsure);
    await answered('exit:1', 'degraded');
    expect(await text('#reason')).toContain('link down');
    expect(await text('#history .chip')).toBe('waiting');
    coordinator = await startCoordinator();
    await answered('cloud', 'late');
    expect(await text('#history .chip')).toBe('late');
  }, 60_000);

  it.each(['/v1/transfers', '/v2/repository/models/x/unload'])(
    'is the only one that may ask: %s is refused to the page of another site',
    async (path) => {
      const headers = { 'sec-fetch-site': 'cross-site' };
      const response = await fetch(`${agent.httpUrl}${path}`, { method: 'POST', headers });
      expect(await response.json()).toMatchObject({ code: 'permission_denied' });
    },
  );

  it('asks nobody but its agent, and no browser complains', () => {
    expect(requests.filter((url) => !url.startsWith(agent.httpUrl))).toEqual([]);
    expect(complaints.filter((text) => !text.includes('favicon'))).toEqual([]);
  });
});
