// Package email signs people in with links that are mailed to them over SMTP.
//
// It only writes and hands over the mails. The links, the secrets in them and
// what becomes of both are its caller's.
package email
