/** A server's text, shortened to fit one message. */

const longest = 1000;

export const isHtml = (text: string): boolean => /^\s*<(?:!doctype html|html|head|body|title)\b/i.test(text);

export function saidIn(text: string): string {
  if (!isHtml(text)) return text.slice(0, longest).trim() || 'it does not say why';
  const title = /<(title|h1)\b[^>]*>([^<]+)</i.exec(text)?.[2].replace(/\s+/g, ' ').trim();
  return `a page for browsers${title ? `, "${title.slice(0, 80)}"` : ''}`;
}
