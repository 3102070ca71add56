/** Numbers of Linux that the native drivers need; the same on x86-64 and arm64 unless said. Source: the uapi headers. */

export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_STREAM = 1;
export const SOCK_NONBLOCK = 0x800;
export const SOCK_CLOEXEC = 0x80000;

export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_ERROR = 4;
export const SO_KEEPALIVE = 9;
export const SO_OOBINLINE = 10;
export const SO_LINGER = 13;
export const SO_REUSEPORT = 15;
export const SO_PEERNAME = 28;
export const IPPROTO_TCP = 6;
export const TCP_NODELAY = 1;
export const TCP_KEEPIDLE = 4;
export const TCP_KEEPINTVL = 5;
export const TCP_KEEPCNT = 6;
export const TCP_INFO = 11;
/** A state of {@link TCP_INFO}. */
export const TCP_CLOSE = 7;

export const SHUT_WR = 1;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_WAITALL = 0x100;

export const O_NONBLOCK = 0x800;
export const O_CLOEXEC = 0x80000;
export const F_SETPIPE_SZ = 1031;
export const F_GETPIPE_SZ = 1032;
export const SPLICE_F_MOVE = 1;
export const SPLICE_F_NONBLOCK = 2;

export const POLLIN = 1;
export const POLLOUT = 4;
export const POLLRDHUP = 0x2000;

export const EPOLL_CLOEXEC = 0x80000;
export const EPOLL_CTL_ADD = 1;
export const EPOLLIN = 1;
export const EPOLLPRI = 2;
export const EPOLLOUT = 4;
export const EPOLLERR = 8;
export const EPOLLHUP = 0x10;
export const EPOLLRDHUP = 0x2000;
export const EPOLLET = 1 << 31;
/** `struct epoll_event` is packed on x86-64 only: 12 bytes there, 16 elsewhere; the data lies at the end. */
export const epollEventInts = process.arch === 'x64' ? 3 : 4;
export const epollDataInt = process.arch === 'x64' ? 1 : 2;

export const RLIMIT_NOFILE = 7;

export const EFD_CLOEXEC = 0x80000;
export const EFD_NONBLOCK = 0x800;
/** ioctl: bytes in the send queue of a socket. */
export const SIOCOUTQ = 0x5411;
