/** Whether what is sent to a URL stays on this machine. */
import { isIPv4 } from 'node:net';

export const isLoopback = ({ hostname }: URL): boolean =>
  /^(?:.*\.)?localhost$/.test(hostname) || (isIPv4(hostname) && hostname.startsWith('127.')) || hostname === '[::1]';
