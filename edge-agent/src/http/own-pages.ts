// The local API has no password, and any page open on the device can send it a request: a POST of text/plain needs no
// leave. So what a browser says comes from another site's page is refused. So is a name that this agent is not called by:
// an attacker's name, once it points at this machine, makes their page one of the agent's own.

import { isIP } from 'node:net';
import { failure } from '@skerry/shared';
import { isLoopback, isOwnOrigin } from '@skerry/shared/node';
import type { MiddlewareHandler } from 'hono';
import { refuse } from './refuse.ts';

const foreignPage = failure('permission_denied', 'a page of another site may not ask this agent');

/** A page on another port of this machine is of the same site, and not ours either. */
const foreignSites = new Set(['cross-site', 'same-site']);

/** @param httpHost one that is not loopback is reached by names that the agent does not know */
export function ownPagesOnly(httpHost: string): MiddlewareHandler {
  const checksName = isLoopback(httpHost);
  return async (c, next) => {
    const host = c.req.header('host');
    const site = c.req.header('sec-fetch-site');
    if (foreignSites.has(site ?? '')) return refuse(c, foreignPage);
    const origin = c.req.header('origin');
    if (site === undefined && origin !== undefined && !isOwnOrigin(origin, host))
      return refuse(c, foreignPage);
    if (checksName && host !== undefined && !isOurName(host, httpHost))
      return refuse(c, failure('permission_denied', 'this agent is not called by that Host'));
    return next();
  };
}

/** An address is no name that could be pointed here. */
function isOurName(host: string, httpHost: string): boolean {
  if (!URL.canParse(`http://${host}`)) return false;
  const { hostname } = new URL(`http://${host}`);
  return (
    hostname === httpHost || isLoopback(hostname) || isIP(hostname.replace(/^\[(.*)\]$/, '$1')) > 0
  );
}
