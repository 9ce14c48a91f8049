// Each rule of a SPEC.md in the workspace has a test, and each number that a test cites is a rule.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const root = new URL('../../', import.meta.url).pathname;
const workspaces = (
  JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { workspaces: string[] }
).workspaces;
const paths = workspaces.flatMap((workspace) => [
  `${workspace}/SPEC.md`,
  ...readdirSync(`${root}${workspace}/src`, { recursive: true, encoding: 'utf8' }).map(
    (path) => `${workspace}/src/${path}`,
  ),
]);
const files = (pattern: RegExp): string[] =>
  paths.filter((path) => pattern.test(path) && existsSync(root + path));
const numbersIn = (paths: readonly string[], pattern: RegExp): ReadonlySet<string> =>
  new Set(
    paths.flatMap((path) =>
      [...readFileSync(root + path, 'utf8').matchAll(pattern)].map((match) => match[1] as string),
    ),
  );
const missingFrom = (there: ReadonlySet<string>, wanted: ReadonlySet<string>): string[] =>
  [...wanted].filter((number) => !there.has(number));

describe('SPEC.md', () => {
  const rules = numbersIn(files(/\/SPEC\.md$/), /^- \*\*([A-Z]{3}\d+)\*\*/gm);
  const tests = files(/\.test\.ts$|\/testing\/.*\.ts$/);
  const proven = numbersIn(tests, /\[([A-Z]{3}\d+)\] /g);
  const cited = numbersIn(files(/\.ts$/), /\[([A-Z]{3}\d+)\]/g);

  it('has rules', () => expect(rules.size).toBeGreaterThan(0));
  it('has a test for each rule', () => expect(missingFrom(proven, rules)).toEqual([]));
  it('has a rule for each number', () => expect(missingFrom(rules, cited)).toEqual([]));
});
