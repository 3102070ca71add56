/** `linkerd-tcp init`: a first configuration to edit. It is valid as it is, and leads to the backends of the quickstart. */
export const initialConfig = `# linkerd-tcp: a first configuration. Check it with: linkerd-tcp --check edge.yml
# All keys: docs/reference/configuration.md

admin:
  port: 9989            # metrics, state, shutdown: http://127.0.0.1:9989

accessLog:
  file: '-'             # one line per connection on standard output; or the name of a file

routers:
- label: edge
  # Routing: names on the left, their destinations on the right. The last rule that matches wins.
  dtab: |
    /svc/cache => 1 * /$/inet/127.0.0.1/7501 & 1 * /$/inet/127.0.0.1/7502 ;
  servers:
  - port: 7000          # clients connect here
    dstName: /svc/cache
`;
