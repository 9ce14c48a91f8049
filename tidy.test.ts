// The tree's own rules: what no compiler and no linter checks, and a reader relies on.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const root = new URL('./', import.meta.url).pathname;
const read = (path: string): string => readFileSync(root + path, 'utf8');
const { workspaces } = JSON.parse(read('package.json')) as { workspaces: string[] };
const sources = workspaces.flatMap((workspace) =>
  readdirSync(`${root}${workspace}/src`, { recursive: true, encoding: 'utf8' }).map(
    (path) => `${workspace}/src/${path}`,
  ),
);
const code = sources.filter((path) => path.endsWith('.ts'));
const tests = code.filter((path) => /\.test\.ts$|\/testing\//.test(path));
const importsOf = (path: string): string[] =>
  [...read(path).matchAll(/^(?:import|export) .*?from '(.+?)';|^} from '(.+?)';/gm)].map(
    (match) => match[1] ?? match[2] ?? '',
  );

describe('SPEC.md', () => {
  const numbersIn = (paths: readonly string[], pattern: RegExp): ReadonlySet<string> =>
    new Set(
      paths.flatMap((path) => [...read(path).matchAll(pattern)].map((match) => match[1] as string)),
    );
  const missingFrom = (there: ReadonlySet<string>, wanted: ReadonlySet<string>): string[] =>
    [...wanted].filter((number) => !there.has(number));
  const specs = [
    ...workspaces.map((w) => `${w}/SPEC.md`).filter((path) => existsSync(root + path)),
    ...sources.filter((path) => path.endsWith('/SPEC.md')),
  ];
  const rules = numbersIn(specs, /^- \*\*([A-Z]{3}\d+)\*\*/gm);
  const proven = numbersIn(tests, /\[([A-Z]{3}\d+)\] /g);
  const cited = numbersIn(code, /\[([A-Z]{3}\d+)\]/g);

  it('has rules', () => expect(rules.size).toBeGreaterThan(0));
  it('has a test for each rule', () => expect(missingFrom(proven, rules)).toEqual([]));
  it('has a rule for each number', () => expect(missingFrom(rules, cited)).toEqual([]));
});

describe('arrows', () => {
  // docs/ARCHITECTURE.md. A package may depend on these of ours, and on no other.
  const allowed: Record<string, readonly string[]> = {
    shared: [],
    'sync-protocol': ['shared'],
    models: ['shared'],
    'edge-agent': ['shared', 'sync-protocol', 'models'],
    'cloud-coordinator': ['shared', 'sync-protocol', 'models'],
    'firmware-targets': ['shared', 'models', 'edge-agent'],
    simulations: workspaces.filter((w) => w !== 'simulations'),
  };

  it.each(workspaces)('%s depends only on whom it may', (workspace) => {
    const { dependencies = {} } = JSON.parse(read(`${workspace}/package.json`)) as {
      dependencies?: Record<string, string>;
    };
    const ours = Object.keys(dependencies).filter((name) => name.startsWith('@skerry/'));
    const may = allowed[workspace]?.map((name) => `@skerry/${name}`) ?? [];
    expect(ours.filter((name) => !may.includes(name))).toEqual([]);
  });

  it('a file imports its siblings, never its own package’s door', () => {
    const offenders = code.filter((path) => {
      const [workspace] = path.split('/');
      return importsOf(path).some(
        (from) => from === `@skerry/${workspace}` || from.startsWith(`@skerry/${workspace}/`),
      );
    });
    expect(offenders).toEqual([]);
  });

  it('only main.ts, doors and tests choose adapters', () => {
    const offenders = code.filter(
      (path) =>
        !/\/(main|index)\.ts$|\/adapters\//.test(path) &&
        !tests.includes(path) &&
        importsOf(path).some((from) => from.includes('/adapters/')),
    );
    expect(offenders).toEqual([]);
  });
});

describe('chance and time', () => {
  // biome refuses the other ambient sources by name; these are members of what every file may use.
  it('come from a Random and a Clock, also where a linter does not look', () => {
    const ambient = /\bMath\.random\b|\bAbortSignal\.timeout\b/;
    const own = /^(shared\/src\/node|simulations)\//;
    const offenders = code.filter(
      (path) => !own.test(path) && !tests.includes(path) && ambient.test(read(path)),
    );
    expect(offenders).toEqual([]);
  });
});

describe('names', () => {
  it('are kebab-case and none of the names that say nothing', () => {
    const names = code.map((path) => path.split('/').at(-1) ?? '');
    const nothing = /^(utils?|types?|helpers?|common|misc|.*(manager|helper|service)s?)\.ts$/;
    expect(names.filter((name) => !/^[a-z0-9-]+(\.test)?\.ts$/.test(name))).toEqual([]);
    expect(names.filter((name) => nothing.test(name))).toEqual([]);
  });
});

describe('README.md', () => {
  it('links to files that exist', () => {
    for (const page of ['README.md', 'CONTRIBUTING.md', 'docs/ARCHITECTURE.md']) {
      const folder = page.includes('/') ? 'docs/' : '';
      const links = [...read(page).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map((m) => m[1] ?? '');
      expect(links.filter((link) => !existsSync(root + folder + link))).toEqual([]);
    }
  });

  it('names npm scripts that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = [...read('README.md').matchAll(/npm (?:run )?([a-z]+(?:[-:][a-z]+)*)/g)].map(
      (m) => m[1] ?? '',
    );
    const builtIn = ['ci', 'install'];
    expect(named.filter((name) => !builtIn.includes(name) && !(name in scripts))).toEqual([]);
  });
});
