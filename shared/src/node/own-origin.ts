// Whether the page that a browser sends a request for is the asked server's own: Fetch standard, the Origin header.

/**
 * A browser says Sec-Fetch-Site to loopback and over TLS alone; Origin, with whatever can change something, everywhere.
 * That of a sandboxed page, `null`, is nobody's.
 */
export function isOwnOrigin(origin: string, host: string | undefined): boolean {
  if (!URL.canParse(origin) || !URL.canParse(`http://${host}`)) return false;
  const page = new URL(origin);
  return page.host === new URL(`${page.protocol}//${host}`).host;
}
