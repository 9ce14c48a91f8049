// Where a file comes from, pinned: an exact version, or an address. What it is, its sha256 says.
//
//   npm:NAME@VERSION#PATH   a file inside a package
//   hf:OWNER/NAME@REVISION#PATH   a file of a model hub's repository
//   https://…
//   file:PATH

import { err, failure, ok, type Result } from '@skerry/shared';

export type Source =
  | { readonly kind: 'npm'; readonly name: string; readonly version: string; readonly path: string }
  | { readonly kind: 'https'; readonly url: string }
  | { readonly kind: 'file'; readonly path: string };

const npmPattern =
  /^npm:(?<name>(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*)@(?<version>\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?)#(?<path>[^#]+)$/;

const hfPattern = /^hf:(?<name>[\w.-]+\/[\w.-]+)@(?<revision>[0-9a-f]{40})#(?<path>[^#]+)$/;

export function parseSource(text: string): Result<Source> {
  const invalid = (why: string) => err(failure('invalid_argument', `${text}: ${why}`));
  if (text.startsWith('npm:')) {
    const { name, version, path } = npmPattern.exec(text)?.groups ?? {};
    if (name === undefined || version === undefined || path === undefined)
      return invalid('expected npm:NAME@VERSION#PATH with an exact version');
    if (path.startsWith('/') || path.split('/').includes('..'))
      return invalid('the path leaves the package');
    return ok({ kind: 'npm', name, version, path });
  }
  if (text.startsWith('hf:')) {
    const { name, revision, path } = hfPattern.exec(text)?.groups ?? {};
    if (name === undefined || revision === undefined || path === undefined)
      return invalid('expected hf:OWNER/NAME@COMMIT#PATH with a whole commit');
    if (path.startsWith('/') || path.split('/').includes('..'))
      return invalid('the path leaves the repository');
    const at = path.split('/').map(encodeURIComponent).join('/');
    return ok({ kind: 'https', url: `https://huggingface.co/${name}/resolve/${revision}/${at}` });
  }
  if (text.startsWith('https://'))
    return URL.canParse(text) ? ok({ kind: 'https', url: text }) : invalid('not an address');
  if (text.startsWith('file:') && text.length > 'file:'.length)
    return ok({ kind: 'file', path: text.slice('file:'.length) });
  return invalid('expected npm:, hf:, https:// or file:');
}
